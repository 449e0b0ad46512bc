/*
 * config_value.c -- one value: from text into its field, and back.
 *
 * Numbers of all kinds take one road: words first (infinity, disabled), then the parser of their
 * unit, then the range in the field's unit. Lists are in config_list.c.
 */
#include "config_value.h"

#include "config_fields.h"
#include "config_list.h"
#include "units.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Linux: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT. */
#define CONFIG_KEEPALIVE_S_MAX      32767
#define CONFIG_KEEPALIVE_PROBES_MAX 127

#define CONFIG_PRINT_LEN_MAX 256 /* longer texts are printed as their length */

/* What a value of each type is called in messages. */
static const char *const config_nouns[CONFIG_TYPE_COUNT_OF] = {
    [CONFIG_TYPE_BOOL] = "true or false",
    [CONFIG_TYPE_COUNT] = "a whole number",
    [CONFIG_TYPE_SIZE] = "a size such as 512, 64KB or 1MB",
    [CONFIG_TYPE_DURATION] = "a duration such as 250ms, 15s, 5m, 2h or 1d",
    [CONFIG_TYPE_SECONDS] = "a duration of whole seconds such as 15s, 5m, 2h or 1d",
    [CONFIG_TYPE_FACTOR] = "a number such as 1.5",
    [CONFIG_TYPE_TEXT] = "text",
    [CONFIG_TYPE_LIST] = "a list with commas, or a sequence",
    [CONFIG_TYPE_CHOICE] = "one of the values listed for it",
    [CONFIG_TYPE_CPUS] = CONFIG_CPUS_NOUN,
    [CONFIG_TYPE_PRIORITIES] = CONFIG_PRIORITIES_NOUN,
    [CONFIG_TYPE_FIELDS] = CONFIG_FIELDS_NOUN,
    [CONFIG_TYPE_BIND] = "a listener address such as tcp://0.0.0.0:1883",
    [CONFIG_TYPE_ENDPOINT] = "`none` or an address such as tcp://127.0.0.1:18083",
    [CONFIG_TYPE_RATE] = "`infinity` or a rate such as 1000/s or 50/10s",
    [CONFIG_TYPE_BYTE_RATE] = "`infinity` or a rate such as 100KB/s or 1MB/10s",
    [CONFIG_TYPE_KEEPALIVE] = "`none` or idle,interval,probes such as 300s,30s,3",
};

static bool config_refuse_noun(const struct config_report *report, const char *text,
                               enum config_type type)
{
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    return config_refuse(report, "\"%s\" is not %s", error_list_quote(text, quote),
                         config_nouns[type]);
}

/* ---- numbers ---- */

static bool config_type_is_wide(enum config_type type)
{
    return type == CONFIG_TYPE_SIZE || type == CONFIG_TYPE_DURATION;
}

static uint64_t config_number_infinity(const struct config_key *key)
{
    return config_type_is_wide(key->type) ? CONFIG_INFINITY_64 : CONFIG_INFINITY_32;
}

static uint64_t config_number_load(const struct config_key *key, const void *field)
{
    return config_type_is_wide(key->type) ? *(const uint64_t *)field : *(const uint32_t *)field;
}

static void config_number_store(const struct config_key *key, void *field, uint64_t value)
{
    if (config_type_is_wide(key->type)) {
        *(uint64_t *)field = value;
    } else {
        CHECK(value <= UINT32_MAX);
        *(uint32_t *)field = (uint32_t)value;
    }
}

/* The word that is allowed beside numbers, or NULL. */
static const char *config_number_word(const struct config_key *key)
{
    if (key->words == CONFIG_WORDS_NUMBER)
        return NULL;
    return key->words == CONFIG_WORDS_DISABLED ? "disabled" : "infinity";
}

/* A number without words, in the field's unit, as an operator would write it. */
static const char *config_number_format(const struct config_key *key, uint64_t value, char *out)
{
    switch (key->type) {
    case CONFIG_TYPE_SIZE:
        return units_format_size(value, out);
    case CONFIG_TYPE_DURATION:
        return units_format_duration(value, out);
    case CONFIG_TYPE_SECONDS:
        return units_format_duration(value * 1000, out);
    case CONFIG_TYPE_FACTOR:
        return units_format_factor(value, out);
    default:
        return units_format_count(value, out);
    }
}

static enum rc config_number_parse(const struct config_key *key, const char *text, uint64_t *out)
{
    switch (key->type) {
    case CONFIG_TYPE_SIZE:
        return units_parse_size(text, out);
    case CONFIG_TYPE_DURATION:
        return units_parse_duration(text, out);
    case CONFIG_TYPE_FACTOR:
        return units_parse_factor(text, out);
    case CONFIG_TYPE_SECONDS: {
        uint64_t duration_ms = 0;
        enum rc rc = units_parse_duration(text, &duration_ms);
        if (rc == RC_OK && duration_ms % 1000 != 0)
            return RC_INVALID;
        if (rc == RC_OK)
            *out = duration_ms / 1000;
        return rc;
    }
    default:
        return units_parse_count(text, out);
    }
}

static bool config_number_set(const struct config_key *key, void *field, const char *text,
                              const struct config_report *report)
{
    const char *word = config_number_word(key);
    if (word != NULL && strcmp(text, word) == 0) {
        config_number_store(key, field, config_number_infinity(key));
        return true;
    }
    uint64_t value = 0;
    enum rc rc = config_number_parse(key, text, &value);
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (rc == RC_INVALID)
        return config_refuse(report, "\"%s\" is not %s%s%s", error_list_quote(text, quote),
                             config_nouns[key->type], word != NULL ? ", nor " : "",
                             word != NULL ? word : "");
    if (rc == RC_OK && value == 0 && key->words == CONFIG_WORDS_ZERO_INFINITE) {
        config_number_store(key, field, config_number_infinity(key));
        return true;
    }
    if (rc != RC_OK || value < key->min || value > key->max) {
        char low[UNITS_TEXT_LEN_MAX + 1];
        char high[UNITS_TEXT_LEN_MAX + 1];
        return config_refuse(report, "%s is out of range, it should be from %s to %s%s%s",
                             error_list_quote(text, quote),
                             config_number_format(key, key->min, low),
                             config_number_format(key, key->max, high), word != NULL ? " or " : "",
                             word != NULL ? word : "");
    }
    config_number_store(key, field, value);
    return true;
}

static void config_number_print(const struct config_key *key, const void *field, FILE *out)
{
    uint64_t value = config_number_load(key, field);
    const char *word = config_number_word(key);
    char text[UNITS_TEXT_LEN_MAX + 1];
    if (word != NULL && value == config_number_infinity(key))
        fputs(word, out);
    else
        fputs(config_number_format(key, value, text), out);
}

/* ---- booleans, choices, text ---- */

static bool config_bool_set(void *field, const char *text, const struct config_report *report)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return config_refuse_noun(report, text, CONFIG_TYPE_BOOL);
    *(bool *)field = yes;
    return true;
}

/* Writes the texts of all choices, `between` between them. */
static void config_choices_print(const struct config_choice *choices, const char *around,
                                 const char *between, FILE *out)
{
    for (const struct config_choice *c = choices; c->text != NULL; c++)
        fprintf(out, "%s%s%s%s", c == choices ? "" : between, around, c->text, around);
}

static bool config_choice_set(const struct config_key *key, void *field, const char *text,
                              const struct config_report *report)
{
    CHECK(key->choices != NULL);
    for (const struct config_choice *c = key->choices; c->text != NULL; c++) {
        if (strcmp(c->text, text) == 0) {
            *(uint32_t *)field = c->value;
            return true;
        }
    }
    char list[256] = "";
    FILE *out = fmemopen(list, sizeof(list) - 1, "w");
    if (out != NULL) {
        config_choices_print(key->choices, "", ", ", out);
        fclose(out);
    }
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    return config_refuse(report, "\"%s\" is not one of %s", error_list_quote(text, quote), list);
}

static bool config_text_set(const struct config_key *key, void *field, const char *text,
                            const struct config_report *report)
{
    size_t len = strlen(text);
    if (len < key->min || len > key->max)
        return config_refuse(report,
                             "%zu bytes are out of range, there should be %" PRIu64 " to %" PRIu64,
                             len, key->min, key->max);
    if (!utf8_check((const uint8_t *)text, len))
        return config_refuse(report, "the text is not UTF-8");
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return config_refuse(report, "the text has a control character in it");
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    char **owned = field;
    free(*owned);
    *owned = copy;
    return true;
}

static void config_text_print(const char *text, FILE *out)
{
    size_t len = text == NULL ? 0 : strlen(text);
    if (len > CONFIG_PRINT_LEN_MAX)
        fprintf(out, "(%zu bytes)", len);
    else
        fprintf(out, "\"%s\"", text == NULL ? "" : text);
}

/* ---- addresses and TCP keep-alive ---- */

/* Only listeners have a key of this type. A wrong address is not also a missing one. */
static bool config_bind_set(struct config_listener *listener, struct listen_uri *uri,
                            const char *text, const struct config_report *report)
{
    CHECK(uri == &listener->bind);
    listener->has_bind = true;
    const char *reason = NULL;
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (listen_uri_parse(text, uri, &reason) != RC_OK)
        return config_refuse(report, "\"%s\" is not a listener address: %s",
                             error_list_quote(text, quote), reason);
    return true;
}

static void config_bind_print(const struct listen_uri *uri, FILE *out)
{
    char text[LISTEN_URI_LEN_MAX + 1];
    if (uri->scheme < LISTEN_SCHEME_COUNT)
        fputs(listen_uri_format(uri, text), out);
}

/* The port of the endpoint for operators where none is given. */
#define CONFIG_ENDPOINT_PORT 18083

static bool config_endpoint_set(struct config_endpoint *endpoint, const char *text,
                                const struct config_report *report)
{
    struct config_endpoint value;
    memset(&value, 0, sizeof(value));
    value.is_off = strcmp(text, "none") == 0 || strcmp(text, "disabled") == 0;
    const char *reason = NULL;
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    if (!value.is_off &&
        listen_uri_parse_port(text, CONFIG_ENDPOINT_PORT, &value.uri, &reason) != RC_OK)
        return config_refuse(report, "\"%s\" is neither `none` nor an address: %s",
                             error_list_quote(text, quote), reason);
    if (!value.is_off && value.uri.scheme != LISTEN_TCP)
        return config_refuse(report, "\"%s\" is neither `none` nor an address that begins with tcp",
                             error_list_quote(text, quote));
    *endpoint = value;
    return true;
}

static void config_endpoint_print(const struct config_endpoint *endpoint, FILE *out)
{
    if (endpoint->is_off)
        fputs("none", out);
    else
        config_bind_print(&endpoint->uri, out);
}

/* A number of seconds, or a duration of whole seconds, from 1 to the kernel's maximum. */
static bool config_keepalive_part(const char *text, uint32_t *out_s)
{
    uint64_t value = 0;
    if (units_parse_count(text, &value) != RC_OK) {
        uint64_t duration_ms = 0;
        if (units_parse_duration(text, &duration_ms) != RC_OK || duration_ms % 1000 != 0)
            return false;
        value = duration_ms / 1000;
    }
    if (value < 1 || value > CONFIG_KEEPALIVE_S_MAX)
        return false;
    *out_s = (uint32_t)value;
    return true;
}

static bool config_keepalive_set(struct config_keepalive *keepalive, const char *text,
                                 const struct config_report *report)
{
    struct config_keepalive value = {.idle_s = 0, .interval_s = 0, .probes = 0};
    if (strcmp(text, "none") != 0) {
        char parts[3][16];
        char end = '\0';
        uint64_t probes = 0;
        int num = sscanf(text, "%15[^,],%15[^,],%15[^,]%c", parts[0], parts[1], parts[2], &end);
        if (num != 3 || !config_keepalive_part(parts[0], &value.idle_s) ||
            !config_keepalive_part(parts[1], &value.interval_s) ||
            units_parse_count(parts[2], &probes) != RC_OK || probes < 1 ||
            probes > CONFIG_KEEPALIVE_PROBES_MAX)
            return config_refuse_noun(report, text, CONFIG_TYPE_KEEPALIVE);
        value.probes = (uint32_t)probes;
    }
    *keepalive = value;
    return true;
}

static void config_keepalive_print(const struct config_keepalive *keepalive, FILE *out)
{
    if (keepalive->idle_s == 0)
        fputs("none", out);
    else
        fprintf(out, "%us,%us,%u", keepalive->idle_s, keepalive->interval_s, keepalive->probes);
}

/* ---- rates ---- */

static bool config_rate_set(const struct config_key *key, struct units_rate *rate, const char *text,
                            const struct config_report *report)
{
    struct units_rate value = {.amount = CONFIG_INFINITY_64, .period_ms = 1000};
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    char most[UNITS_TEXT_LEN_MAX + 1];
    if (strcmp(text, "infinity") == 0) {
        *rate = value;
        return true;
    }
    enum rc rc = units_parse_rate(text, &value);
    if (rc == RC_INVALID)
        return config_refuse_noun(report, text, key->type);
    if (rc != RC_OK || value.amount < key->min || value.amount > key->max ||
        value.period_ms > BUCKET_PERIOD_MS_MAX)
        return config_refuse(report, "%s is out of range, it should be from 1 to %s in at most 1d",
                             error_list_quote(text, quote),
                             key->type == CONFIG_TYPE_RATE ? units_format_count(key->max, most)
                                                           : units_format_size(key->max, most));
    *rate = value;
    return true;
}

static void config_rate_print(const struct config_key *key, const struct units_rate *rate,
                              FILE *out)
{
    char text[UNITS_RATE_LEN_MAX + 1];
    if (rate->amount == CONFIG_INFINITY_64)
        fputs("infinity", out);
    else
        fputs(units_format_rate(rate, key->type == CONFIG_TYPE_BYTE_RATE, text), out);
}

/* ---- all types ---- */

static bool config_type_is_text(enum config_type type)
{
    return type == CONFIG_TYPE_TEXT || type == CONFIG_TYPE_LIST;
}

bool config_value_set(const struct config_key *key, void *base, const char *text,
                      const struct config_report *report)
{
    CHECK(key != NULL && text != NULL && report != NULL);
    void *field = config_key_field(key, base);
    switch (key->type) {
    case CONFIG_TYPE_BOOL:
        return config_bool_set(field, text, report);
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_LIST:
        return config_text_set(key, field, text, report);
    case CONFIG_TYPE_CHOICE:
        return config_choice_set(key, field, text, report);
    case CONFIG_TYPE_CPUS:
        return config_cpus_set(field, text, report);
    case CONFIG_TYPE_PRIORITIES:
        return config_priorities_set(field, text, report);
    case CONFIG_TYPE_FIELDS:
        return config_fields_set(field, text, report);
    case CONFIG_TYPE_BIND:
        return config_bind_set(base, field, text, report);
    case CONFIG_TYPE_KEEPALIVE:
        return config_keepalive_set(field, text, report);
    case CONFIG_TYPE_ENDPOINT:
        return config_endpoint_set(field, text, report);
    case CONFIG_TYPE_RATE:
    case CONFIG_TYPE_BYTE_RATE:
        return config_rate_set(key, field, text, report);
    default:
        return config_number_set(key, field, text, report);
    }
}

bool config_value_reset(const struct config_key *key, void *base,
                        const struct config_report *report)
{
    CHECK(key != NULL && report != NULL);
    if (key->type == CONFIG_TYPE_BIND) {
        struct listen_uri *uri = config_key_field(key, base);
        *uri = (struct listen_uri){.scheme = LISTEN_SCHEME_COUNT, .port = 0, .host = ""};
        return true;
    }
    if (!config_value_set(key, base, key->initial, report))
        return false;
    if (key->type == CONFIG_TYPE_ENDPOINT) {
        struct config_endpoint *endpoint = config_key_field(key, base);
        endpoint->is_default = true;
    }
    return true;
}

void config_value_clear(const struct config_key *key, void *base)
{
    void *field = config_key_field(key, base);
    if (config_type_is_text(key->type)) {
        char **text = field;
        free(*text);
        *text = NULL;
    } else if (key->type == CONFIG_TYPE_PRIORITIES) {
        config_priorities_fini(field);
    } else if (key->type == CONFIG_TYPE_FIELDS) {
        config_fields_fini(field);
    }
}

void config_value_print(const struct config_key *key, const void *base, FILE *out)
{
    CHECK(key != NULL && base != NULL && out != NULL);
    const void *field = (const char *)base + key->offset;
    switch (key->type) {
    case CONFIG_TYPE_BOOL:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_LIST:
        config_text_print(*(char *const *)field, out);
        break;
    case CONFIG_TYPE_CHOICE:
        for (const struct config_choice *c = key->choices; c->text != NULL; c++) {
            if (c->value == *(const uint32_t *)field && !c->is_alias)
                fputs(c->text, out);
        }
        break;
    case CONFIG_TYPE_CPUS:
        config_cpus_print(field, out);
        break;
    case CONFIG_TYPE_PRIORITIES:
        config_priorities_print(field, out);
        break;
    case CONFIG_TYPE_FIELDS:
        config_fields_print(field, out);
        break;
    case CONFIG_TYPE_BIND:
        config_bind_print(field, out);
        break;
    case CONFIG_TYPE_KEEPALIVE:
        config_keepalive_print(field, out);
        break;
    case CONFIG_TYPE_ENDPOINT:
        config_endpoint_print(field, out);
        break;
    case CONFIG_TYPE_RATE:
    case CONFIG_TYPE_BYTE_RATE:
        config_rate_print(key, field, out);
        break;
    default:
        config_number_print(key, field, out);
        break;
    }
}

char *config_value_text(const struct config_key *key, const void *base)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    config_value_print(key, base, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

bool config_value_equal(const struct config_key *key, const void *a, const void *b)
{
    CHECK(key != NULL && a != NULL && b != NULL);
    if (config_type_is_text(key->type)) /* long texts are printed as their length */
        return strcmp(*(char *const *)((const char *)a + key->offset),
                      *(char *const *)((const char *)b + key->offset)) == 0;
    if (key->type == CONFIG_TYPE_FIELDS) /* values are not printed */
        return config_fields_equal((const void *)((const char *)a + key->offset),
                                   (const void *)((const char *)b + key->offset));
    char *left = config_value_text(key, a);
    char *right = config_value_text(key, b);
    bool same = left != NULL && right != NULL && strcmp(left, right) == 0;
    free(left);
    free(right);
    return same;
}

void config_value_swap(const struct config_key *key, void *a, void *b)
{
    CHECK(key != NULL && a != b && key->size > 0);
    uint8_t *left = config_key_field(key, a);
    uint8_t *right = config_key_field(key, b);
    for (size_t i = 0; i < key->size; i++) {
        uint8_t byte = left[i];
        left[i] = right[i];
        right[i] = byte;
    }
}

void config_value_describe(const struct config_key *key, FILE *out)
{
    CHECK(key != NULL && out != NULL);
    char low[UNITS_TEXT_LEN_MAX + 1];
    char high[UNITS_TEXT_LEN_MAX + 1];
    switch (key->type) {
    case CONFIG_TYPE_BOOL:
        fputs("`true`, `false`", out);
        break;
    case CONFIG_TYPE_CHOICE:
        config_choices_print(key->choices, "`", ", ", out);
        break;
    case CONFIG_TYPE_LIST:
        fputs(config_nouns[key->type], out);
        break;
    case CONFIG_TYPE_TEXT:
        fprintf(out, "text, %" PRIu64 " to %" PRIu64 " bytes", key->min, key->max);
        break;
    case CONFIG_TYPE_CPUS:
    case CONFIG_TYPE_PRIORITIES:
    case CONFIG_TYPE_FIELDS:
    case CONFIG_TYPE_BIND:
    case CONFIG_TYPE_KEEPALIVE:
    case CONFIG_TYPE_ENDPOINT:
    case CONFIG_TYPE_RATE:
    case CONFIG_TYPE_BYTE_RATE:
        fputs(config_nouns[key->type], out);
        break;
    default:
        fprintf(out, "%s to %s%s", config_number_format(key, key->min, low),
                config_number_format(key, key->max, high),
                key->words == CONFIG_WORDS_ZERO_INFINITE ? ", `0`" : "");
        if (config_number_word(key) != NULL)
            fprintf(out, ", `%s`", config_number_word(key));
        break;
    }
}
