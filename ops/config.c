/*
 * config.c -- the broker's configuration: defaults, sources in their order, judgement of the whole.
 *
 * The sources write into one struct config from the lowest to the highest, each adding its errors
 * to the list. What concerns more than one value is judged at the end, when all have spoken. If the
 * list is not empty then, everything is freed and nothing is handed out.
 */
#include "config.h"

#include "config_authn.h"
#include "config_env.h"
#include "config_listener.h"
#include "config_value.h"
#include "config_yaml.h"
#include "config_zone.h"
#include "file_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NO_DATA_DIR "none"

static const char *const config_default_binds[] = {"tcp://127.0.0.1:1883", "tcp://[::1]:1883"};

static bool config_reset(struct config *config, struct error_list *errors)
{
    memset(config, 0, sizeof(*config));
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++) {
        struct config_report report = {.errors = errors, .place = keys[i].path};
        if (!config_value_reset(&keys[i], config, &report))
            return false;
    }
    return true;
}

/*
 * Reads a whole file of at most CONFIG_FILE_LEN_MAX bytes into *out_text (the caller frees). False
 * with a message added: it cannot be read or is larger.
 */
static bool config_file_read(const char *path, char **out_text, size_t *out_len,
                             struct error_list *errors)
{
    *out_text = file_read(path, CONFIG_FILE_LEN_MAX, out_len);
    if (*out_text != NULL)
        return true;
    if (errno == EFBIG)
        error_list_add(errors, "%s: the file has more than %d bytes", path, CONFIG_FILE_LEN_MAX);
    else
        error_list_add(errors, "%s: cannot read the file: %s", path, strerror(errno));
    return false;
}

/* --tls-cert and the like are for the listeners of --listen that have TLS. */
static bool config_apply_listen_overrides(struct config_listener *listener,
                                          const struct config_sources *sources,
                                          struct error_list *errors)
{
    if ((listen_uri_layers(listener->bind.scheme) & LISTEN_LAYER_TLS) == 0)
        return false;
    for (uint32_t i = 0; i < sources->num_listen_overrides; i++) {
        const struct config_override *override = &sources->listen_overrides[i];
        const struct config_report report = {.errors = errors, .place = override->option};
        const struct config_key *key = config_listener_key_find(override->path);
        CHECK(key != NULL);
        config_value_set(key, listener, override->text, &report);
    }
    return true;
}

/* --listen replaces every listener of lower sources. */
static void config_apply_listen(struct config *config, const struct config_sources *sources,
                                struct error_list *errors)
{
    const struct config_report report = {.errors = errors, .place = "--listen"};
    const struct config_key *bind = config_key_find(CONFIG_SECTION_LISTENERS, "bind");
    CHECK(bind != NULL);
    if (sources->num_listen > 0)
        config_listeners_fini(config);
    bool has_tls = false;
    for (uint32_t i = 0; i < sources->num_listen; i++) {
        /* Judged before the listener is added, or it would also be reported as one without. */
        struct config_listener probe;
        if (!config_value_set(bind, &probe, sources->listen[i], &report))
            continue;
        struct config_listener *listener = config_listener_add(config, "--listen", errors);
        if (listener == NULL)
            return;
        listener->bind = probe.bind;
        has_tls |= config_apply_listen_overrides(listener, sources, errors);
    }
    if (!has_tls && sources->num_listen_overrides > 0 && error_list_is_empty(errors))
        error_list_add(errors, "%s is for listeners with TLS (tls://), and --listen has none",
                       sources->listen_overrides[0].option);
}

static void config_apply_overrides(struct config *config, const struct config_sources *sources,
                                   struct error_list *errors)
{
    for (uint32_t i = 0; i < sources->num_overrides; i++) {
        const struct config_override *override = &sources->overrides[i];
        const struct config_report report = {.errors = errors, .place = override->option};
        const struct config_key *key = config_key_find_path(override->path);
        CHECK(key != NULL);
        config_value_set(key, config, override->text, &report);
    }
}

/* What has to be judged when all sources have spoken. */
static void config_finish(struct config *config, struct error_list *errors)
{
    if (config->mqtt.max_packet_size > PACKET_LEN_MAX)
        config->mqtt.max_packet_size = PACKET_LEN_MAX;
    /* An error may be what kept a listener from being added: then there is no default either. */
    if (config->num_listeners == 0 && error_list_is_empty(errors)) {
        const struct config_report report = {.errors = errors, .place = "default"};
        const struct config_key *bind = config_key_find(CONFIG_SECTION_LISTENERS, "bind");
        for (size_t i = 0; i < ARRAY_LEN(config_default_binds); i++) {
            struct config_listener *listener = config_listener_add(config, report.place, errors);
            if (listener != NULL)
                config_value_set(bind, listener, config_default_binds[i], &report);
        }
        config->listeners_are_default = true;
    }
    config_listeners_finish(config, errors);
    config_authns_finish(config, errors);
    config_zones_finish(config, errors);
}

enum rc config_load_text(struct config *out, const char *name, const char *text, size_t text_len,
                         const struct config_sources *sources, struct error_list *errors)
{
    CHECK(out != NULL && sources != NULL && errors != NULL);
    CHECK(text == NULL || name != NULL);
    if (config_reset(out, errors)) {
        if (text != NULL)
            config_yaml_apply(out, name, text, text_len, errors);
        if (sources->environment != NULL)
            config_env_apply(out, sources->environment, errors);
        config_apply_overrides(out, sources, errors);
        config_apply_listen(out, sources, errors);
        config_finish(out, errors);
    }
    if (error_list_is_empty(errors)) {
        CHECK(out->num_listeners > 0);
        return RC_OK;
    }
    config_fini(out);
    return RC_INVALID;
}

enum rc config_load(struct config *out, const struct config_sources *sources,
                    struct error_list *errors)
{
    CHECK(out != NULL && sources != NULL && errors != NULL);
    char *text = NULL;
    size_t text_len = 0;
    if (sources->file != NULL)
        config_file_read(sources->file, &text, &text_len, errors);
    /* With an unreadable file the other sources are judged nevertheless, and the result is none. */
    enum rc rc = config_load_text(out, sources->file, text, text_len, sources, errors);
    free(text);
    return rc;
}

void config_fini(struct config *config)
{
    CHECK(config != NULL);
    uint32_t num = 0;
    const struct config_key *keys = config_keys(&num);
    for (uint32_t i = 0; i < num; i++)
        config_value_clear(&keys[i], config);
    config_listeners_fini(config);
    config_authns_fini(config);
    config_zones_fini(config);
    memset(config, 0, sizeof(*config));
}

bool config_has_data_dir(const struct config *config)
{
    CHECK(config != NULL && config->data_dir != NULL);
    return strcmp(config->data_dir, CONFIG_NO_DATA_DIR) != 0;
}

/* Prints `<prefix><key> = <value>` for each key whose value differs from that of `standard`. */
static void config_print_keys(const struct config_key *keys, uint32_t num, const char *prefix,
                              const void *base, const void *standard, FILE *out)
{
    for (uint32_t i = 0; i < num; i++) {
        char *value = config_value_text(&keys[i], base);
        char *initial = config_value_text(&keys[i], standard);
        if (value != NULL && (initial == NULL || strcmp(value, initial) != 0))
            fprintf(out, "%s%s = %s\n", prefix, keys[i].path, value);
        free(value);
        free(initial);
    }
}

static void config_print_authns(const struct config *config, struct config *standard,
                                struct error_list *errors, FILE *out)
{
    const struct config_authn *none = config_authn_add(standard, "default", errors);
    uint32_t num = 0;
    const struct config_key *keys = config_authn_keys(&num);
    for (uint32_t i = 0; none != NULL && i < config->num_authns; i++) {
        char prefix[32];
        snprintf(prefix, sizeof(prefix), "authentication.%u.", i + 1);
        config_print_keys(keys, num, prefix, &config->authns[i], none, out);
    }
}

static void config_print_zone_value(void *context, const char *path, const char *from,
                                    const char *to)
{
    (void)from;
    fprintf(context, "%s = %s\n", path, to);
}

void config_print(const struct config *config, FILE *out)
{
    CHECK(config != NULL && config->num_listeners > 0 && out != NULL);
    struct error_list errors;
    error_list_init(&errors);
    struct config standard;
    fprintf(out, "configuration ok\n");
    if (config_reset(&standard, &errors) &&
        config_listener_add(&standard, "default", &errors) != NULL) {
        uint32_t num = 0;
        const struct config_key *keys = config_keys(&num);
        config_print_keys(keys, num, "", config, &standard, out);
        keys = config_listener_keys(&num);
        for (uint32_t i = 0; i < config->num_listeners; i++) {
            char prefix[32];
            snprintf(prefix, sizeof(prefix), "listeners.%u.", i + 1);
            config_print_keys(keys, num, prefix, &config->listeners[i], standard.listeners, out);
        }
        config_print_authns(config, &standard, &errors, out);
        config_zones_compare(&standard, config, config_print_zone_value, out);
    }
    error_list_print(&errors, "", out);
    config_fini(&standard);
}
