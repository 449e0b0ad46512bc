/*
 * options.c -- the table of options and its readers; see options.h.
 *
 * A row's kind says how the argument is read and where it is stored: the field's type is fixed by
 * the kind (uint64_t for numbers, durations and choices; const char *; bool; struct options_cpus;
 * uint64_t[2] for pairs).
 *
 * Threads: before any other starts.
 */
#include "options.h"

#include "library.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum options_kind {
    OPTIONS_NUMBER,
    OPTIONS_DURATION,
    OPTIONS_TEXT,
    OPTIONS_SECRET, /* a text that no report shows */
    OPTIONS_FLAG,
    OPTIONS_CPUS,
    OPTIONS_PAIR,
    OPTIONS_CHOICE_IO,
};

/* The commands that know an option. */
enum options_where {
    OPTIONS_LOAD = 1,
    OPTIONS_IDLE = 2,
    OPTIONS_CONNECT = 4,
    OPTIONS_RETAINED = 8,
    OPTIONS_RELAY = 16,
    OPTIONS_CLIENTS = OPTIONS_IDLE | OPTIONS_CONNECT,
    OPTIONS_MESSAGES = OPTIONS_LOAD | OPTIONS_RETAINED,
    OPTIONS_RUNS = OPTIONS_LOAD | OPTIONS_CONNECT | OPTIONS_RETAINED,
    OPTIONS_ALL = 15, /* that call a broker */
    OPTIONS_EVERY = 31,
};

static const struct {
    const char *command;
    enum options_where where;
} options_commands[] = {
    {"idle", OPTIONS_IDLE},
    {"connect", OPTIONS_CONNECT},
    {"retained", OPTIONS_RETAINED},
    {"relay", OPTIONS_RELAY},
};

#define OPTIONS_SECOND UINT64_C(1000000000)

#define OPTIONS_WINDOW_CLOSED 200
#define OPTIONS_TOPICS        100000

/* In any chunk there is room for one with its header (stream.h). */
#define OPTIONS_WS_FRAME_LEN_MAX 65000

#define OPTIONS_WS_PATH_LEN_MAX 1000

/* With this much before them, the filters of a gatherer fit their room (gatherer.h). */
#define OPTIONS_PREFIX_LEN_MAX 400

struct options_row {
    const char *name;
    enum options_kind kind;
    unsigned where; /* of enum options_where */
    size_t offset;
    uint64_t min;
    uint64_t max;
    const char *help; /* ARGUMENT, two spaces, text */
};

#define AT(field) offsetof(struct options, field)

static const struct options_row options_rows[] = {
    {"host", OPTIONS_TEXT, OPTIONS_EVERY, AT(host), 0, 0, "NAME  the broker (127.0.0.1)"},
    {"port", OPTIONS_NUMBER, OPTIONS_EVERY, AT(port), 1, 65535,
     "PORT  its port (1883; 8883 with --tls, 8083 with --ws, 8084 with both)"},
    {"version", OPTIONS_NUMBER, OPTIONS_ALL, AT(version), 4, 5, "4|5  MQTT 3.1.1 or 5.0 (4)"},
    {"username", OPTIONS_TEXT, OPTIONS_ALL, AT(username), 0, 0, "TEXT  for CONNECT"},
    {"password", OPTIONS_SECRET, OPTIONS_ALL, AT(password), 0, 0, "TEXT  for CONNECT"},
    {"tls", OPTIONS_FLAG, OPTIONS_ALL, AT(tls), 0, 0, "TLS 1.3 or 1.2"},
    {"tls-ca", OPTIONS_TEXT, OPTIONS_ALL, AT(tls_ca), 0, 0,
     "FILE  of authorities, to verify the broker with; without it, it is not"},
    {"tls-resume", OPTIONS_FLAG, OPTIONS_ALL, AT(tls_resume), 0, 0,
     "handshakes go on from the newest session that has come"},
    {"ws", OPTIONS_FLAG, OPTIONS_ALL, AT(ws), 0, 0, "WebSocket, with --tls inside of TLS"},
    {"ws-path", OPTIONS_TEXT, OPTIONS_ALL, AT(ws_path), 0, 0, "PATH  of the request (/mqtt)"},
    {"ws-frame", OPTIONS_NUMBER, OPTIONS_ALL, AT(ws_frame), 1, OPTIONS_WS_FRAME_LEN_MAX,
     "BYTES  of the frames sent, whatever packets are in them (each packet in a frame)"},
    {"source", OPTIONS_TEXT, OPTIONS_ALL, AT(sources), 0, 0,
     "LIST  source addresses (127.0.0.x against a loopback broker and many clients)"},
    {"topic-prefix", OPTIONS_TEXT, OPTIONS_ALL, AT(topic_prefix), 0, 0,
     "TEXT  first levels of every topic (bench)"},
    {"keep-alive", OPTIONS_NUMBER, OPTIONS_ALL, AT(keep_alive_s), 0, 65535,
     "SECONDS  asked for in CONNECT; no PINGREQ is ever sent (0: off)"},
    {"qos", OPTIONS_NUMBER, OPTIONS_MESSAGES, AT(qos), 0, 2, "0|1|2  of messages and filters (0)"},
    {"publishers", OPTIONS_NUMBER, OPTIONS_LOAD, AT(publishers), 1, 1000000,
     "N  (the scenario's own number)"},
    {"subscribers", OPTIONS_NUMBER, OPTIONS_MESSAGES, AT(subscribers), 1, 1000000,
     "N  (the scenario's own number)"},
    {"window", OPTIONS_NUMBER, OPTIONS_LOAD, AT(window), 1, 1000000,
     "N  messages of a publisher on the way to their subscribers at once (200; with --rate those "
     "of two seconds)"},
    {"rate", OPTIONS_NUMBER, OPTIONS_LOAD, AT(rate), 1, 100000000,
     "N  messages a second of all publishers together, sent when they are due: an open loop, for "
     "latency (a closed loop, for throughput)"},
    {"spin", OPTIONS_FLAG, OPTIONS_LOAD, AT(spin), 0, 0,
     "workers never sleep, so that their waking up is not measured; they need cores of their own"},
    {"inflight", OPTIONS_NUMBER, OPTIONS_MESSAGES, AT(inflight), 1, 65535,
     "N  unacknowledged messages of a publisher at QoS 1 and 2; a lower Receive Maximum of the "
     "broker counts (65535)"},
    {"payload", OPTIONS_NUMBER, OPTIONS_MESSAGES, AT(payload), OPTIONS_PAYLOAD_LEN_MIN, 16000000,
     "BYTES  of every message (64)"},
    {"duration", OPTIONS_DURATION, OPTIONS_LOAD, AT(duration_ns), 1000000, 86400 * OPTIONS_SECOND,
     "TIME  measured (5s)"},
    {"warmup", OPTIONS_DURATION, OPTIONS_LOAD, AT(warmup_ns), 0, 86400 * OPTIONS_SECOND,
     "TIME  before (1s)"},
    {"stall", OPTIONS_DURATION, OPTIONS_MESSAGES, AT(stall_ns), 100000000, 600 * OPTIONS_SECOND,
     "TIME  without progress, then what is missing counts as lost (1s)"},
    {"strict", OPTIONS_FLAG, OPTIONS_LOAD, AT(strict), 0, 0, "a loss at QoS 0 fails the run, too"},
    {"durable", OPTIONS_FLAG, OPTIONS_LOAD, AT(durable), 0, 0,
     "sessions that outlive their connections, so that the broker has to keep QoS 1 and 2"},
    {"slow", OPTIONS_NUMBER, OPTIONS_LOAD, AT(slow), 0, 1000,
     "N  more subscribers, of everything, that never read (0)"},
    {"filters", OPTIONS_NUMBER, OPTIONS_LOAD, AT(filters), 0, 100000000,
     "N  wildcard filters that match no message, subscribed to before the traffic (0)"},
    {"storm", OPTIONS_NUMBER, OPTIONS_LOAD, AT(storm), 0, 100000000,
     "N  the same, subscribed to while the traffic is measured (0)"},
    {"clients", OPTIONS_NUMBER, OPTIONS_CLIENTS, AT(clients), 1, 10000000, "N  connections (1000)"},
    {"subscribe", OPTIONS_FLAG, OPTIONS_CLIENTS, AT(subscribe), 0, 0,
     "each with a subscription of its own"},
    {"connect-rate", OPTIONS_NUMBER, OPTIONS_CONNECT, AT(connect_rate), 1, 10000000,
     "N  connections a second, opened when they are due (as fast as they come)"},
    {"rounds", OPTIONS_NUMBER, OPTIONS_CONNECT, AT(rounds), 0, 1000,
     "N  times that all are cut off and connect again (0)"},
    {"topics", OPTIONS_NUMBER, OPTIONS_RETAINED, AT(topics), 1, 10000000,
     "N  retained messages, each under a topic of its own (100000)"},
    {"hold", OPTIONS_DURATION, OPTIONS_CLIENTS, AT(hold_ns), 0, 86400 * OPTIONS_SECOND,
     "TIME  to stay connected (until interrupted)"},
    {"pid", OPTIONS_NUMBER, OPTIONS_ALL, AT(pid), 1, 4194304,
     "PID  the broker's process, whose CPU time and memory are told"},
    {"slope", OPTIONS_PAIR, OPTIONS_IDLE, AT(slope), 0, 10000000,
     "A,B  bytes per client between these two counts (first and last sample)"},
    {"workers", OPTIONS_NUMBER, OPTIONS_ALL, AT(workers), 1, OPTIONS_WORKERS_MAX, "N  threads (1)"},
    {"cpus", OPTIONS_CPUS, OPTIONS_EVERY, AT(cpus), 0, 0,
     "LIST  cores to pin them to, such as 1,4-7 (not pinned)"},
    {"connect-batch", OPTIONS_NUMBER, OPTIONS_ALL, AT(connect_batch), 1, 65535,
     "N  handshakes under way at once, per worker (64)"},
    {"io", OPTIONS_CHOICE_IO, OPTIONS_EVERY, AT(io), 0, 0, "auto|uring|epoll  (auto)"},
    {"json", OPTIONS_TEXT, OPTIONS_ALL, AT(json), 0, 0, "FILE  to write everything to, as JSON"},
    {"html", OPTIONS_TEXT, OPTIONS_RUNS, AT(html), 0, 0,
     "FILE  to write a report with plots to, one page for a browser"},
    {"hdr", OPTIONS_TEXT, OPTIONS_RUNS, AT(hdr), 0, 0,
     "FILE  to write the percentiles to, as HdrHistogram prints them (.hgrm), in ms"},
    {"quiet", OPTIONS_FLAG, OPTIONS_ALL, AT(quiet), 0, 0, "no progress lines"},
};

#undef AT

static const char *const options_io_names[] = {"auto", "uring", "epoll"};
STATIC_CHECK(ARRAY_LEN(options_io_names) == OPTIONS_IO_COUNT, "one name each");

const char *options_io_name(enum options_io io)
{
    CHECK(io < OPTIONS_IO_COUNT);
    return options_io_names[io];
}

const char *options_transport_name(const struct options *options)
{
    if (options->ws)
        return options->tls ? "WebSocket in TLS" : "WebSocket";
    return options->tls ? "TLS" : "TCP";
}

/* Digits with an optional k or M. *end is left behind what was read. */
static bool options_read_number(const char *text, uint64_t *out, const char **end)
{
    if (*text < '0' || *text > '9')
        return false;
    char *stop;
    /* What does not fit becomes ULLONG_MAX, which is in no row's range. */
    unsigned long long value = strtoull(text, &stop, 10);
    uint64_t unit = 1;
    if (*stop == 'k')
        unit = 1000;
    else if (*stop == 'M')
        unit = 1000000;
    if (unit > 1)
        stop++;
    if (__builtin_mul_overflow((uint64_t)value, unit, out))
        return false;
    *end = stop;
    return true;
}

static bool options_read_duration(const char *text, uint64_t *out_ns)
{
    static const struct {
        const char *name;
        double unit_ns;
    } units[] = {{"", 1e9}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}};
    if ((*text < '0' || *text > '9') && *text != '.')
        return false;
    char *stop;
    double value = strtod(text, &stop);
    for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(stop, units[i].name) == 0 && value < 1e9) {
            *out_ns = (uint64_t)(value * units[i].unit_ns);
            return true;
        }
    }
    return false;
}

/* Numbers and ranges with commas between: 0,2,4-7. */
static bool options_read_cpus(const char *text, struct options_cpus *out)
{
    struct options_cpus cpus = {.num = 0};
    for (;;) {
        uint64_t first, last;
        if (!options_read_number(text, &first, &text))
            return false;
        last = first;
        if (*text == '-' && !options_read_number(text + 1, &last, &text))
            return false;
        if (last < first || last > UINT16_MAX || last - first >= OPTIONS_CPUS_MAX - cpus.num)
            return false;
        for (uint64_t cpu = first; cpu <= last; cpu++)
            cpus.ids[cpus.num++] = (uint16_t)cpu;
        if (*text == '\0')
            break;
        if (*text++ != ',')
            return false;
    }
    *out = cpus;
    return true;
}

static bool options_read_io(const char *text, uint64_t *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(options_io_names); i++) {
        if (strcmp(text, options_io_names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool options_in_range(const struct options_row *row, uint64_t value)
{
    return value >= row->min && value <= row->max;
}

/* Stores the argument in its field; false if it cannot be read or is out of range. */
static bool options_store(const struct options_row *row, const char *text, struct options *out)
{
    void *field = (char *)out + row->offset;
    uint64_t *number = field;
    const char *end = "";
    switch (row->kind) {
    case OPTIONS_NUMBER:
        return options_read_number(text, number, &end) && *end == '\0' &&
               options_in_range(row, *number);
    case OPTIONS_DURATION:
        return options_read_duration(text, number) && options_in_range(row, *number);
    case OPTIONS_PAIR:
        return options_read_number(text, &number[0], &end) && *end == ',' &&
               options_read_number(end + 1, &number[1], &end) && *end == '\0' &&
               options_in_range(row, number[0]) && options_in_range(row, number[1]);
    case OPTIONS_TEXT:
    case OPTIONS_SECRET:
        *(const char **)field = text;
        return *text != '\0';
    case OPTIONS_CPUS:
        return options_read_cpus(text, field);
    case OPTIONS_CHOICE_IO:
        return options_read_io(text, number);
    case OPTIONS_FLAG:
        break;
    }
    UNREACHABLE();
}

static const struct options_row *options_find(const char *name, size_t name_len)
{
    for (unsigned i = 0; i < ARRAY_LEN(options_rows); i++) {
        const char *row_name = options_rows[i].name;
        if (strlen(row_name) == name_len && memcmp(row_name, name, name_len) == 0)
            return &options_rows[i];
    }
    return NULL;
}

static unsigned options_where_of(const char *command)
{
    for (unsigned i = 0; i < ARRAY_LEN(options_commands); i++)
        if (strcmp(command, options_commands[i].command) == 0)
            return options_commands[i].where;
    return OPTIONS_LOAD;
}

/* The option of that name, if the command knows it; else writes `error` and returns NULL. */
static const struct options_row *options_known(const struct options *options, const char *name,
                                               size_t name_len, char *error, size_t error_len)
{
    const struct options_row *row = options_find(name, name_len);
    if (row == NULL)
        snprintf(error, error_len, "unknown option %.*s", (int)name_len, name);
    else if (!(row->where & options_where_of(options->command)))
        snprintf(error, error_len, "--%s does not belong to %s", row->name, options->command);
    else
        return row;
    return NULL;
}

static bool options_store_or_say(const struct options_row *row, const char *text,
                                 struct options *out, char *error, size_t error_len)
{
    if (options_store(row, text, out))
        return true;
    snprintf(error, error_len, "--%s cannot be '%s'; it is %s", row->name, text, row->help);
    return false;
}

/* Reads the option at argv[at]; returns how many arguments it took, 0 after writing `error`. */
static int options_take(int argc, char *const argv[], int at, struct options *out, char *error,
                        size_t error_len)
{
    const char *arg = argv[at];
    const char *equals = strchr(arg, '=');
    size_t name_len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
    if (name_len <= 2 || strncmp(arg, "--", 2) != 0) {
        snprintf(error, error_len, "unknown option %s", arg);
        return 0;
    }
    const struct options_row *row = options_known(out, arg + 2, name_len - 2, error, error_len);
    if (row == NULL)
        return 0;
    if (row->kind == OPTIONS_FLAG) {
        *(bool *)((char *)out + row->offset) = true;
        if (equals == NULL)
            return 1;
        snprintf(error, error_len, "--%s takes no value", row->name);
        return 0;
    }
    if (equals == NULL && at + 1 >= argc) {
        snprintf(error, error_len, "--%s needs a value", row->name);
        return 0;
    }
    const char *text = equals != NULL ? equals + 1 : argv[at + 1];
    if (!options_store_or_say(row, text, out, error, error_len))
        return 0;
    return equals != NULL ? 1 : 2;
}

/* One line of a file, without its comment and the spaces around. */
static bool options_read_line(char *name, char *value, struct options *out, char *error,
                              size_t error_len)
{
    if (strcmp(name, "scenario") == 0) {
        out->command = value;
        return true;
    }
    if (out->command == NULL) {
        snprintf(error, error_len, "the first line has to say scenario = NAME");
        return false;
    }
    if (strcmp(name, "text") == 0) {
        out->text = value;
        return true;
    }
    const struct options_row *row = options_known(out, name, strlen(name), error, error_len);
    if (row == NULL)
        return false;
    if (row->kind != OPTIONS_FLAG)
        return options_store_or_say(row, value, out, error, error_len);
    bool is_on = strcmp(value, "on") == 0;
    *(bool *)((char *)out + row->offset) = is_on;
    if (!is_on && strcmp(value, "off") != 0)
        snprintf(error, error_len, "%s is on or off", name);
    return is_on || strcmp(value, "off") == 0;
}

/* Cuts the spaces off both ends, in place. */
static char *options_trimmed(char *text)
{
    text += strspn(text, " \t\r");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
        len--;
    text[len] = '\0';
    return text;
}

enum options_outcome options_read(char *text, const char *title, struct options *out, char *error,
                                  size_t error_len)
{
    unsigned number = 0;
    char what[256];
    out->file = text;
    out->title = title;
    out->command = NULL;
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        number++;
        char *rest = line;
        line = options_trimmed(strsep(&rest, "#"));
        if (line[0] == '\0')
            continue;
        char *value = line;
        char *name = options_trimmed(strsep(&value, "="));
        if (value == NULL)
            snprintf(what, sizeof(what), "a line is option = value");
        else if (options_read_line(name, options_trimmed(value), out, what, sizeof(what)))
            continue;
        snprintf(error, error_len, "%s:%u: %s", title, number, what);
        return OPTIONS_BAD;
    }
    if (out->command != NULL)
        return OPTIONS_OK;
    snprintf(error, error_len, "%s: there is no scenario in it", title);
    return OPTIONS_BAD;
}

/* Nothing in it ends the line of the request, or the word. */
static bool options_path_ok(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < len; i++)
        if (path[i] <= ' ' || path[i] > '~')
            return false;
    return path[0] == '/' && len <= OPTIONS_WS_PATH_LEN_MAX;
}

/* What the rows cannot see because it concerns two options. */
static bool options_agree(const struct options *options, char *error, size_t error_len)
{
    if (options->password != NULL && options->username == NULL && options->version == 4) {
        snprintf(error, error_len, "MQTT 3.1.1 allows --password only with --username");
        return false;
    }
    if (options->filters + options->storm > 0 &&
        strlen(options->topic_prefix) > OPTIONS_PREFIX_LEN_MAX) {
        snprintf(error, error_len, "--topic-prefix is too long for --filters and --storm");
        return false;
    }
    if (!options_path_ok(options->ws_path)) {
        snprintf(error, error_len, "--ws-path begins with / and has only what an address may have");
        return false;
    }
    bool has_slope = options->slope[1] != 0;
    if (has_slope && options->pid == 0) {
        snprintf(error, error_len, "--slope needs --pid");
        return false;
    }
    if (has_slope &&
        (options->slope[0] >= options->slope[1] || options->slope[1] > options->clients)) {
        snprintf(error, error_len, "--slope A,B needs A < B <= --clients");
        return false;
    }
    return true;
}

enum options_outcome options_parse(int argc, char *const argv[], struct options *out, char *error,
                                   size_t error_len)
{
    CHECK(error_len > 0);
    *out = (struct options){
        .host = "127.0.0.1",
        .version = 4,
        .ws_path = "/mqtt",
        .topic_prefix = "bench",
        .inflight = 65535,
        .payload = 64,
        .duration_ns = 5 * OPTIONS_SECOND,
        .warmup_ns = OPTIONS_SECOND,
        .stall_ns = OPTIONS_SECOND,
        .clients = 1000,
        .workers = 1,
        .connect_batch = 64,
    };
    error[0] = '\0';
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return OPTIONS_HELP;
    if (argc < 2 || argv[1][0] == '-') {
        snprintf(error, error_len, "the first argument names a scenario");
        return OPTIONS_BAD;
    }
    int at = 2;
    out->command = argv[1];
    out->title = argv[1];
    if (strcmp(out->command, "help") == 0)
        return OPTIONS_HELP;
    if (strcmp(out->command, "run") == 0) {
        const char *name = argc > at ? argv[at++] : "";
        char *text = library_load(name, error, error_len);
        if (text == NULL || options_read(text, name, out, error, error_len) != OPTIONS_OK)
            return OPTIONS_BAD;
    }
    while (at < argc) {
        int took = options_take(argc, argv, at, out, error, error_len);
        if (took == 0)
            return OPTIONS_BAD;
        at += took;
    }
    if (strcmp(out->command, "retained") == 0) {
        if (out->topics == 0)
            out->topics = OPTIONS_TOPICS;
        /* All must be retained before anybody asks for it, so the broker has to say so. */
        if (out->qos == 0)
            out->qos = 1;
        out->window = out->topics;
    }
    if (out->port == 0)
        out->port = out->ws ? (out->tls ? 8084 : 8083) : (out->tls ? 8883 : 1883);
    if (out->window == 0 && out->rate == 0)
        out->window = OPTIONS_WINDOW_CLOSED;
    return options_agree(out, error, error_len) ? OPTIONS_OK : OPTIONS_BAD;
}

void options_fini(struct options *options)
{
    free(options->file);
    options->file = NULL;
}

static const struct {
    unsigned where;
    const char *text;
} options_help_where[] = {
    {OPTIONS_IDLE, "idle: "},
    {OPTIONS_CONNECT, "connect: "},
    {OPTIONS_RETAINED, "retained: "},
    {OPTIONS_CLIENTS, "idle, connect: "},
};

void options_help(void *file)
{
    for (unsigned i = 0; i < ARRAY_LEN(options_rows); i++) {
        const struct options_row *row = &options_rows[i];
        const char *gap = strstr(row->help, "  ");
        char left[48];
        if (row->kind == OPTIONS_FLAG || gap == NULL)
            snprintf(left, sizeof(left), "--%s", row->name);
        else
            snprintf(left, sizeof(left), "--%s %.*s", row->name, (int)(gap - row->help), row->help);
        const char *text = row->kind == OPTIONS_FLAG || gap == NULL ? row->help : gap + 2;
        const char *where = "";
        for (unsigned at = 0; at < ARRAY_LEN(options_help_where); at++)
            if (row->where == options_help_where[at].where)
                where = options_help_where[at].text;
        fprintf(file, "  %-22s %s%s\n", left, where, text);
    }
}

static void options_cpus_json(const struct options_cpus *cpus, char *out, size_t out_len)
{
    size_t at = (size_t)snprintf(out, out_len, "[");
    for (uint32_t i = 0; i < cpus->num; i++)
        at += (size_t)snprintf(out + at, out_len - at, "%s%u", i > 0 ? "," : "", cpus->ids[i]);
    snprintf(out + at, out_len - at, "]");
}

/* Writes the field's value as JSON. */
static void options_json(const struct options_row *row, const void *field, char *out,
                         size_t out_len)
{
    const uint64_t *number = field;
    switch (row->kind) {
    case OPTIONS_NUMBER:
        snprintf(out, out_len, "%llu", (unsigned long long)*number);
        return;
    case OPTIONS_DURATION:
        snprintf(out, out_len, "%.3f", (double)*number / 1e9);
        return;
    case OPTIONS_PAIR:
        snprintf(out, out_len, "[%llu,%llu]", (unsigned long long)number[0],
                 (unsigned long long)number[1]);
        return;
    case OPTIONS_TEXT:
        if (*(const char *const *)field == NULL)
            snprintf(out, out_len, "null");
        else
            text_json_string(out, out_len, *(const char *const *)field);
        return;
    case OPTIONS_FLAG:
        snprintf(out, out_len, "%s", *(const bool *)field ? "true" : "false");
        return;
    case OPTIONS_CPUS:
        options_cpus_json(field, out, out_len);
        return;
    case OPTIONS_CHOICE_IO:
        snprintf(out, out_len, "\"%s\"", options_io_names[*number]);
        return;
    case OPTIONS_SECRET:
        break;
    }
    UNREACHABLE();
}

void options_each(const struct options *options,
                  void (*visit)(void *arg, const char *name, const char *json_value), void *arg)
{
    char value[1024];
    STATIC_CHECK(sizeof(value) > OPTIONS_CPUS_MAX * 6 + 3, "five digits and a comma each");
    for (unsigned i = 0; i < ARRAY_LEN(options_rows); i++) {
        const struct options_row *row = &options_rows[i];
        if (row->kind == OPTIONS_SECRET || !(row->where & options_where_of(options->command)))
            continue;
        options_json(row, (const char *)options + row->offset, value, sizeof(value));
        visit(arg, row->name, value);
    }
}
