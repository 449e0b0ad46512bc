/*
 * options.h -- what the command line asks for.
 *
 * The form is `sluice-bench SCENARIO [--name value | --name=value]...`, or `sluice-bench run FILE`
 * with options behind it, which win over those in the file. One table in options.c holds every
 * option: name, kind, where it is stored, its range, to which commands it belongs and its help
 * text. Parsing, files, the help page and the parameters in the JSON report walk that table, so a
 * new option is one field here and one row there.
 *
 * A file is lines `option = value`; `#` begins a comment. The first line says `scenario = NAME`,
 * and `text = ...` says in one sentence what the file is for. A flag is `on` or `off`.
 *
 * Numbers may end in k (thousand) or M (million); durations end in ms, s or m, without a unit they
 * are seconds.
 *
 * Threads: parsed before any worker starts, read-only afterwards.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "check.h"

#define OPTIONS_CPUS_MAX    128
#define OPTIONS_WORKERS_MAX 128

/* Publisher number, sequence and send time (subscriber.h). */
#define OPTIONS_PAYLOAD_LEN_MIN 16

enum options_io { OPTIONS_IO_AUTO, OPTIONS_IO_URING, OPTIONS_IO_EPOLL, OPTIONS_IO_COUNT };

struct options_cpus {
    uint16_t ids[OPTIONS_CPUS_MAX];
    uint32_t num;
};

struct options {
    const char *command; /* a scenario's name, "idle", "connect" or "retained" */
    const char *title;   /* what the user called: the command, or the file's name */
    const char *text;    /* what the file says about itself; NULL: nothing */
    char *file;          /* its text, which others point into; owned, NULL without a file */

    const char *host;
    uint64_t port;
    uint64_t version; /* protocol level: 4 is MQTT 3.1.1, 5 is 5.0 */
    const char *username;
    const char *password;
    bool tls;
    const char *tls_ca; /* file of authorities; NULL: the broker is not verified */
    bool tls_resume;
    bool ws;
    const char *ws_path;
    uint64_t ws_frame;   /* bytes of the frames sent; 0: a frame for each packet */
    const char *sources; /* comma-separated source addresses; NULL: chosen (endpoint.h) */
    const char *topic_prefix;
    uint64_t keep_alive_s;
    uint64_t pid; /* the broker's process, to be watched; 0: none */

    uint64_t qos;
    uint64_t publishers;  /* 0: the scenario's default */
    uint64_t subscribers; /* 0: the scenario's default */
    uint64_t rate;        /* open loop: messages per second of all publishers; 0: closed */
    uint64_t window;      /* messages of one publisher not yet delivered to all; 0: to be chosen */
    uint64_t inflight;    /* messages of one publisher not yet acknowledged, QoS 1 and 2 */
    uint64_t payload;     /* bytes */
    uint64_t duration_ns;
    uint64_t warmup_ns;
    uint64_t stall_ns; /* nothing for so long: what is missing counts as lost */
    bool strict;       /* a loss at QoS 0 is a failure, too */
    bool spin;         /* workers never sleep */
    bool durable;      /* sessions that outlive their connections */
    uint64_t slow;     /* subscribers of everything that never read */
    uint64_t
        filters;    /* wildcard filters subscribed to before the traffic, which match none of it */
    uint64_t storm; /* the same, while it is measured */

    uint64_t clients;      /* idle, connect */
    bool subscribe;        /* idle, connect: a subscription each */
    uint64_t connect_rate; /* connect: connections per second; 0: as fast as they come */
    uint64_t rounds;       /* connect: how often all are cut off and come again */
    uint64_t hold_ns;      /* idle, connect; 0: until interrupted (idle) */
    uint64_t slope[2];     /* idle: the two counts; {0, 0}: first and last sample */

    uint64_t workers;
    struct options_cpus cpus;
    uint64_t connect_batch; /* handshakes under way at once, per worker */
    uint64_t io;            /* enum options_io */
    uint64_t topics;        /* retained: how many; 0 in other scenarios */
    const char *json;       /* file names; NULL: none */
    const char *html;
    const char *hdr;
    bool quiet;
};

enum options_outcome { OPTIONS_OK, OPTIONS_HELP, OPTIONS_BAD };

/*
 * Fills *out from the arguments (borrowing their strings). OPTIONS_BAD: `error` holds one sentence
 * for the user and *out is not to be used. OPTIONS_HELP: help was asked for. The command's name is
 * not judged here, except that the commands take different options. Ends with options_fini whatever
 * was returned.
 */
enum options_outcome options_parse(int argc, char *const argv[], struct options *out, char *error,
                                   size_t error_len) MUST_USE;

void options_fini(struct options *options);

/* Reads the text of a file into *out, as said above; it becomes out->file. Like options_parse. */
enum options_outcome options_read(char *text, const char *title, struct options *out, char *error,
                                  size_t error_len) MUST_USE;

/* Writes one line per option. */
void options_help(void *file);

/*
 * Calls visit(arg, name, json_value) for every option that belongs to out->command, in the order of
 * the table; json_value is a JSON scalar or array, durations in seconds. Passwords are left out.
 */
void options_each(const struct options *options,
                  void (*visit)(void *arg, const char *name, const char *json_value), void *arg);

const char *options_io_name(enum options_io io);

/* "TCP", "TLS", "WebSocket" or "WebSocket in TLS". */
const char *options_transport_name(const struct options *options);

#endif
