/*
 * args.c -- the command line of sluiced.
 *
 * A table of options, walked once for each argument. An option either sets the mode, names the
 * configuration file, adds a listener, or is an override: a configuration key under a shorter name,
 * whose value the configuration judges like any other.
 */
#include "args.h"

#include "edit_distance.h"

#include <string.h>

enum args_kind {
    ARGS_KIND_MODE,
    ARGS_KIND_CONFIG,
    ARGS_KIND_LISTEN,
    ARGS_KIND_OVERRIDE,
    ARGS_KIND_TLS
};

struct args_option {
    const char *name;
    enum args_kind kind;
    enum args_mode mode;  /* for ARGS_KIND_MODE */
    const char *path;     /* for ARGS_KIND_OVERRIDE */
    const char *argument; /* what the value is called, NULL: takes none */
    const char *text;
};

static const struct args_option args_options[] = {
    {"--config", ARGS_KIND_CONFIG, ARGS_RUN, NULL, "FILE", "read the configuration from FILE"},
    {"--check-config", ARGS_KIND_MODE, ARGS_CHECK_CONFIG, NULL, NULL,
     "check the configuration, print what is set, and exit"},
    {"--listen", ARGS_KIND_LISTEN, ARGS_RUN, NULL, "URI",
     "listen at URI (tcp://:1883), not where the configuration\n"
     "                       says; may be repeated"},
    {"--tls-cert", ARGS_KIND_TLS, ARGS_RUN, "tls.certificate", "FILE",
     "certificate of the listeners that --listen opens with TLS"},
    {"--tls-key", ARGS_KIND_TLS, ARGS_RUN, "tls.key", "FILE", "and its private key"},
    {"--tls-ca", ARGS_KIND_TLS, ARGS_RUN, "tls.ca", "FILE",
     "their clients need a certificate of an authority in FILE"},
    {"--data", ARGS_KIND_OVERRIDE, ARGS_RUN, "data_dir", "DIR",
     "keep durable state in DIR; none: everything in memory"},
    {"--shards", ARGS_KIND_OVERRIDE, ARGS_RUN, "shards.count", "N",
     "number of shards; 0: one for each CPU"},
    {"--cpus", ARGS_KIND_OVERRIDE, ARGS_RUN, "shards.cpus", "LIST",
     "CPUs to pin shards to, such as 0-3,8"},
    {"--admin", ARGS_KIND_OVERRIDE, ARGS_RUN, "admin.listen", "URI",
     "metrics and health at URI; none: nowhere"},
    {"--recover", ARGS_KIND_OVERRIDE, ARGS_RUN, "durability.recovery", "HOW",
     "a damaged log: strict (refuse), or skip-damaged"},
    {"--log-level", ARGS_KIND_OVERRIDE, ARGS_RUN, "log.level", "LEVEL",
     "error, warning, info or debug"},
    {"--version", ARGS_KIND_MODE, ARGS_VERSION, NULL, NULL, "print the version and exit"},
    {"--help", ARGS_KIND_MODE, ARGS_HELP, NULL, NULL, "print this and exit"},
};

/* The option of exactly `len` bytes at `name`, or NULL. */
static const struct args_option *args_find(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(args_options); i++) {
        if (strlen(args_options[i].name) == len && memcmp(args_options[i].name, name, len) == 0)
            return &args_options[i];
    }
    return NULL;
}

static void args_refuse_unknown(const char *name, size_t len, struct error_list *errors)
{
    char copy[EDIT_NAME_LEN_MAX + 1];
    const char *nearest = NULL;
    uint32_t nearest_distance = UINT32_MAX;
    snprintf(copy, sizeof(copy), "%.*s", len > EDIT_NAME_LEN_MAX ? EDIT_NAME_LEN_MAX : (int)len,
             name);
    for (size_t i = 0; i < ARRAY_LEN(args_options); i++) {
        uint32_t distance = 0;
        if (edit_distance_is_near(copy, args_options[i].name, &distance) &&
            distance < nearest_distance) {
            nearest_distance = distance;
            nearest = args_options[i].name;
        }
    }
    error_list_add(errors, "there is no option \"%s\"%s%s%s", copy,
                   nearest != NULL ? ", did you mean " : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "?" : "");
}

static void args_add_override(struct args *args, const struct args_option *option,
                              const char *value)
{
    CHECK(args->num_overrides < ARGS_OVERRIDES_MAX);
    args->overrides[args->num_overrides++] = (struct config_override){
        .option = option->name, .path = option->path, .text = value};
}

static void args_add_tls(struct args *args, const struct args_option *option, const char *path,
                         const char *value)
{
    CHECK(args->num_listen_overrides < ARGS_LISTEN_OVERRIDES_MAX);
    args->listen_overrides[args->num_listen_overrides++] = (struct config_override){
        .option = option->name, .path = path, .text = value};
}

static void args_apply(struct args *args, const struct args_option *option, const char *value,
                       struct error_list *errors)
{
    switch (option->kind) {
    case ARGS_KIND_MODE:
        /* The modes stand in rising order of what wins. */
        if (option->mode > args->mode)
            args->mode = option->mode;
        break;
    case ARGS_KIND_CONFIG:
        args->config_file = value;
        break;
    case ARGS_KIND_LISTEN:
        if (args->num_listen == CONFIG_LISTENERS_MAX)
            error_list_add(errors, "there are more than %d times --listen", CONFIG_LISTENERS_MAX);
        else
            args->listen[args->num_listen++] = value;
        break;
    case ARGS_KIND_OVERRIDE:
        args_add_override(args, option, value);
        break;
    case ARGS_KIND_TLS:
        args_add_tls(args, option, option->path, value);
        if (strcmp(option->path, "tls.ca") == 0)
            args_add_tls(args, option, "tls.verify", "required");
        break;
    }
}

enum rc args_parse(struct args *out, int argc, char *const *argv, struct error_list *errors)
{
    CHECK(out != NULL && argc >= 0 && argv != NULL && errors != NULL);
    struct args args;
    memset(&args, 0, sizeof(args));
    bool seen[ARRAY_LEN(args_options)] = {false};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        size_t len = strcspn(name, "=");
        if (name[0] != '-' || name[1] == '\0') {
            char quote[ERROR_QUOTE_LEN_MAX + 1];
            error_list_add(errors, "\"%s\" is not an option", error_list_quote(name, quote));
            continue;
        }
        const struct args_option *option = args_find(name, len);
        if (option == NULL) {
            args_refuse_unknown(name, len, errors);
            /* The word behind it would be its value: one slip, one message. */
            if (name[len] != '=' && i + 1 < argc && argv[i + 1][0] != '-')
                i++;
            continue;
        }
        const char *value = name[len] == '=' ? name + len + 1 : NULL;
        if (option->argument == NULL && value != NULL) {
            error_list_add(errors, "%s takes no value", option->name);
            continue;
        }
        if (option->argument != NULL && value == NULL) {
            if (i + 1 >= argc || strncmp(argv[i + 1], "--", 2) == 0) {
                error_list_add(errors, "%s needs a value: %s %s", option->name, option->name,
                               option->argument);
                continue;
            }
            value = argv[++i];
        }
        bool *is_seen = &seen[option - args_options];
        if (*is_seen && option->argument != NULL && option->kind != ARGS_KIND_LISTEN)
            error_list_add(errors, "%s is given twice", option->name);
        else
            args_apply(&args, option, value, errors);
        *is_seen = true;
    }
    if (args.num_listen_overrides > 0 && args.num_listen == 0)
        error_list_add(errors, "%s is for listeners of --listen, and there is none",
                       args.listen_overrides[0].option);
    memset(out, 0, sizeof(*out));
    if (!error_list_is_empty(errors))
        return RC_INVALID;
    *out = args;
    return RC_OK;
}

struct config_sources args_sources(const struct args *args, char *const *environment)
{
    CHECK(args != NULL);
    return (struct config_sources){
        .file = args->config_file,
        .environment = environment,
        .overrides = args->overrides,
        .num_overrides = args->num_overrides,
        .listen = args->listen,
        .num_listen = args->num_listen,
        .listen_overrides = args->listen_overrides,
        .num_listen_overrides = args->num_listen_overrides,
    };
}

void args_print_help(FILE *out)
{
    CHECK(out != NULL);
    fputs("usage: sluiced [options]\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(args_options); i++) {
        char left[32];
        const struct args_option *option = &args_options[i];
        snprintf(left, sizeof(left), "%s%s%s", option->name, option->argument != NULL ? " " : "",
                 option->argument != NULL ? option->argument : "");
        fprintf(out, "  %-19s  %s\n", left, option->text);
    }
    fputs("\nThe command line wins over the environment (SLUICE_MQTT__MAX_INFLIGHT=64), the\n"
          "environment over the file. Exit status 2: bad options or configuration.\n",
          out);
}
