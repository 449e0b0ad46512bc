/*
 * config_yaml.c -- a configuration file, in YAML.
 *
 * Two passes over the text. The first reads libyaml's events and judges the form: syntax, depth,
 * number of nodes, and what of YAML is not allowed. It stops at the first error, since nothing
 * behind a broken line can be trusted. Only a text that passes is loaded as a document, whose nodes
 * know their line and column; the second pass walks root -> section -> key -> value and reports
 * every error it meets. The walk is as deep as the schema, never as deep as the file.
 *
 * A key that is repeated is an error even with the same value: YAML parsers differ in which one
 * they take, and people do not see both.
 */
#include "config_yaml.h"

#include "config_authn.h"
#include "config_list.h"
#include "config_listener.h"
#include "config_value.h"
#include "config_zone.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define CONFIG_KEYS_MAX  128 /* of the schema, for the marks of what was seen */
#define CONFIG_PLACE_MAX 320

struct config_yaml {
    struct config *config;
    const char *name;
    struct error_list *errors;
    yaml_document_t document;
};

/* ---- pass one: the form ---- */

static void config_yaml_refuse_at(struct error_list *errors, const char *name, yaml_mark_t mark,
                                  const char *what)
{
    error_list_add(errors, "%s:%zu:%zu: %s", name, mark.line + 1, mark.column + 1, what);
}

/* What libyaml itself did not like. Its reader counts bytes, its scanner and parser lines. */
static void config_yaml_refuse_syntax(const yaml_parser_t *parser, const char *name,
                                      const char *text, size_t text_len, struct error_list *errors)
{
    const char *problem = parser->problem != NULL ? parser->problem : "not readable";
    if (parser->error != YAML_READER_ERROR) {
        config_yaml_refuse_at(errors, name, parser->problem_mark, problem);
        return;
    }
    yaml_mark_t mark = {.index = parser->problem_offset, .line = 0, .column = 0};
    for (size_t i = 0; i < text_len && i < parser->problem_offset; i++) {
        mark.line += text[i] == '\n';
        mark.column = text[i] == '\n' ? 0 : mark.column + 1;
    }
    config_yaml_refuse_at(errors, name, mark, problem);
}

struct config_yaml_form {
    uint32_t depth;
    uint32_t nodes;
    uint32_t documents;
};

/* NULL if the event is allowed, or what is wrong with it. */
static const char *config_yaml_judge(struct config_yaml_form *form, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "aliases are not allowed here";
    case YAML_DOCUMENT_START_EVENT:
        return ++form->documents > 1 ? "a second document is not allowed here" : NULL;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        form->depth++;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        form->depth++;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        CHECK(form->depth > 0);
        form->depth--;
        return NULL;
    default:
        return NULL;
    }
    form->nodes++;
    if (form->depth > CONFIG_YAML_DEPTH_MAX)
        return "this is nested too deep";
    if (form->nodes > CONFIG_YAML_NODES_MAX)
        return "the file has too many values";
    if (anchor != NULL)
        return "anchors are not allowed here";
    return tag != NULL ? "tags are not allowed here" : NULL;
}

static void config_yaml_open(yaml_parser_t *parser, const char *text, size_t text_len)
{
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, text_len);
}

/* True if the text is YAML of the form allowed; otherwise one message is added. */
static bool config_yaml_check_form(const char *name, const char *text, size_t text_len,
                                   struct error_list *errors)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        error_list_add(errors, "%s: %s", name, rc_text(RC_NO_MEMORY));
        return false;
    }
    config_yaml_open(&parser, text, text_len);
    struct config_yaml_form form = {.depth = 0, .nodes = 0, .documents = 0};
    bool right = true;
    bool ended = false;
    while (right && !ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            config_yaml_refuse_syntax(&parser, name, text, text_len, errors);
            right = false;
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        const char *wrong = config_yaml_judge(&form, &event);
        if (wrong != NULL) {
            config_yaml_refuse_at(errors, name, event.start_mark, wrong);
            right = false;
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return right;
}

/* ---- pass two: the meaning ---- */

/* "name:line:column" and, if `path` is not empty, ": path". Returns `out`. */
static const char *config_yaml_place(const struct config_yaml *yaml, const yaml_node_t *node,
                                     const char *section, const char *key,
                                     char out[CONFIG_PLACE_MAX])
{
    bool has_path = section[0] != '\0' || key[0] != '\0';
    snprintf(out, CONFIG_PLACE_MAX, "%.200s:%zu:%zu%s%.40s%s%.40s", yaml->name,
             node->start_mark.line + 1, node->start_mark.column + 1, has_path ? ": " : "", section,
             section[0] != '\0' && key[0] != '\0' ? "." : "", key);
    return out;
}

static bool __attribute__((format(printf, 4, 5)))
config_yaml_refuse(const struct config_yaml *yaml, const yaml_node_t *node, const char *path,
                   const char *format, ...)
{
    char place[CONFIG_PLACE_MAX];
    char message[ERROR_TEXT_LEN_MAX + 1];
    struct config_report report = {
        .errors = yaml->errors,
        .place = config_yaml_place(yaml, node, path, "", place),
    };
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return config_refuse(&report, "%s", message);
}

static const char *config_yaml_kind(const yaml_node_t *node)
{
    return node->type == YAML_MAPPING_NODE    ? "a map"
           : node->type == YAML_SEQUENCE_NODE ? "a sequence"
                                              : "a single value";
}

/* The text of a scalar, borrowed; NULL, with a message, if the node is none or contains U+0000. */
static const char *config_yaml_text(const struct config_yaml *yaml, const yaml_node_t *node,
                                    const char *path)
{
    if (node->type != YAML_SCALAR_NODE) {
        config_yaml_refuse(yaml, node, path, "%s is not expected here", config_yaml_kind(node));
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length) {
        config_yaml_refuse(yaml, node, path, "the text has a U+0000 in it");
        return NULL;
    }
    return text;
}

/* Nothing at all after the colon. */
static bool config_yaml_is_empty(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static yaml_node_t *config_yaml_node(struct config_yaml *yaml, int index)
{
    yaml_node_t *node = yaml_document_get_node(&yaml->document, index);
    CHECK(node != NULL);
    return node;
}

/* Sequences of CPUs, each of them a number or a range. */
static void config_yaml_cpus(struct config_yaml *yaml, const yaml_node_t *node,
                             struct config_cpus *cpus, const char *path)
{
    struct config_cpus list;
    memset(&list, 0, sizeof(list));
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        const yaml_node_t *value = config_yaml_node(yaml, *item);
        const char *text = config_yaml_text(yaml, value, path);
        char place[CONFIG_PLACE_MAX];
        struct config_report report = {
            .errors = yaml->errors,
            .place = config_yaml_place(yaml, value, path, "", place),
        };
        if (text != NULL)
            config_cpus_add(&list, text, &report);
    }
    *cpus = list;
}

/* A map of topics to priorities, or of names to texts. */
static void config_yaml_pairs(struct config_yaml *yaml, const struct config_key *key, void *base,
                              const yaml_node_t *node)
{
    void *field = config_key_field(key, base);
    config_value_clear(key, base);
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *left = config_yaml_node(yaml, pair->key);
        const char *name = config_yaml_text(yaml, left, key->path);
        const char *text = config_yaml_text(yaml, config_yaml_node(yaml, pair->value), key->path);
        char place[CONFIG_PLACE_MAX];
        struct config_report report = {
            .errors = yaml->errors,
            .place = config_yaml_place(yaml, left, key->path, "", place),
        };
        if (name == NULL || text == NULL)
            continue;
        if (key->type == CONFIG_TYPE_PRIORITIES)
            config_priorities_add(field, name, text, &report);
        else
            config_fields_add(field, name, text, &report);
    }
}

/* A sequence of texts, which becomes one text with commas. */
static void config_yaml_texts(struct config_yaml *yaml, const struct config_key *key, void *base,
                              const yaml_node_t *node)
{
    char place[CONFIG_PLACE_MAX];
    char *joined = NULL;
    size_t len = 0;
    struct config_report report = {
        .errors = yaml->errors,
        .place = config_yaml_place(yaml, node, key->path, "", place),
    };
    FILE *out = open_memstream(&joined, &len);
    bool right = out != NULL || config_refuse(&report, "%s", rc_text(RC_NO_MEMORY));
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; right && item < node->data.sequence.items.top; item++) {
        const yaml_node_t *value = config_yaml_node(yaml, *item);
        const char *text = config_yaml_text(yaml, value, key->path);
        right = text != NULL;
        if (right && strchr(text, ',') != NULL)
            right = config_yaml_refuse(yaml, value, key->path, "a comma has no place in here");
        if (right)
            fprintf(out, "%s%s", item > node->data.sequence.items.start ? ", " : "", text);
    }
    if (out != NULL && fclose(out) == 0 && right)
        config_value_set(key, base, joined, &report);
    free(joined);
}

/* One value for one key. */
static void config_yaml_value(struct config_yaml *yaml, const struct config_key *key, void *base,
                              const yaml_node_t *node)
{
    if (key->type == CONFIG_TYPE_CPUS && node->type == YAML_SEQUENCE_NODE) {
        config_yaml_cpus(yaml, node, config_key_field(key, base), key->path);
        return;
    }
    if (node->type == YAML_MAPPING_NODE &&
        (key->type == CONFIG_TYPE_PRIORITIES || key->type == CONFIG_TYPE_FIELDS)) {
        config_yaml_pairs(yaml, key, base, node);
        return;
    }
    if (key->type == CONFIG_TYPE_LIST && node->type == YAML_SEQUENCE_NODE) {
        config_yaml_texts(yaml, key, base, node);
        return;
    }
    if (config_yaml_is_empty(node)) {
        config_yaml_refuse(yaml, node, key->path, "there is no value");
        return;
    }
    const char *text = config_yaml_text(yaml, node, key->path);
    char place[CONFIG_PLACE_MAX];
    struct config_report report = {
        .errors = yaml->errors,
        .place = config_yaml_place(yaml, node, key->path, "", place),
    };
    if (text != NULL)
        config_value_set(key, base, text, &report);
}

/* Marks of the lines on which the names of one map were seen. */
struct config_yaml_seen {
    const void *names[CONFIG_KEYS_MAX]; /* a key or a section, by the address of its name */
    size_t lines[CONFIG_KEYS_MAX];
    uint32_t num;
};

/* True for the first time in this map; otherwise a message is added. */
static bool config_yaml_is_first(struct config_yaml *yaml, struct config_yaml_seen *seen,
                                 const void *name, const char *text, const yaml_node_t *node)
{
    for (uint32_t i = 0; i < seen->num; i++) {
        if (seen->names[i] == name)
            return config_yaml_refuse(yaml, node, "", "\"%s\" is repeated, it is in line %zu too",
                                      text, seen->lines[i]);
    }
    CHECK(seen->num < CONFIG_KEYS_MAX);
    seen->names[seen->num] = name;
    seen->lines[seen->num++] = node->start_mark.line + 1;
    return true;
}

static void config_yaml_unknown(struct config_yaml *yaml, const char *section, const char *name,
                                const yaml_node_t *node)
{
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    /* A message that is only counted is not worth the search. */
    const char *nearest = yaml->errors->num < ERROR_LIST_MAX ? config_key_nearest(section, name)
                                                             : NULL;
    config_yaml_refuse(yaml, node, section, "there is no key \"%s\"%s%s%s",
                       error_list_quote(name, quote), nearest != NULL ? ", did you mean \"" : "",
                       nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static void config_yaml_map(struct config_yaml *yaml, const char *section, void *base,
                            struct config_zone *zone, const yaml_node_t *node);

/* A map inside a listener. */
static void config_yaml_inner(struct config_yaml *yaml, struct config_yaml_seen *seen,
                              const char *section, void *base, const yaml_node_t *name_node,
                              const yaml_node_t *node)
{
    const char *name = (const char *)name_node->data.scalar.value;
    if (!config_yaml_is_first(yaml, seen, section, name, name_node))
        return;
    if (node->type == YAML_MAPPING_NODE)
        config_yaml_map(yaml, section, base, NULL, node);
    else if (!config_yaml_is_empty(node))
        config_yaml_refuse(yaml, node, section, "%s is not expected here, but a map of keys",
                           config_yaml_kind(node));
}

/*
 * The keys of one section, of one listener, or of a map in it; of a section in `zone` (NULL: in
 * none), where only some keys may stand, and are marked.
 */
static void config_yaml_map(struct config_yaml *yaml, const char *section, void *base,
                            struct config_zone *zone, const yaml_node_t *node)
{
    struct config_yaml_seen seen = {.num = 0};
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name_node = config_yaml_node(yaml, pair->key);
        const char *name = config_yaml_text(yaml, name_node, section);
        if (name == NULL)
            continue;
        const struct config_key *key = config_key_find(section, name);
        const char *inner = zone == NULL && strcmp(section, CONFIG_SECTION_LISTENERS) == 0
                                ? config_listener_section_find(name)
                                : NULL;
        if (inner != NULL)
            config_yaml_inner(yaml, &seen, inner, base, name_node,
                              config_yaml_node(yaml, pair->value));
        else if (key == NULL)
            config_yaml_unknown(yaml, section, name, name_node);
        else if (zone != NULL && !config_zone_allows(key))
            config_yaml_refuse(yaml, name_node, key->path, "this cannot differ between zones");
        else if (config_yaml_is_first(yaml, &seen, key, name, name_node)) {
            uint32_t errors = yaml->errors->num + yaml->errors->extra;
            config_yaml_value(yaml, key, base, config_yaml_node(yaml, pair->value));
            if (yaml->errors->num + yaml->errors->extra > errors &&
                strcmp(section, CONFIG_SECTION_AUTHN) == 0)
                config_authn_refused(base, key);
            if (zone != NULL)
                config_zone_mark(zone, key);
        }
    }
}

/* The entries of a list of maps: listeners, or steps of authentication. */
static void config_yaml_list(struct config_yaml *yaml, const char *section, const char *example,
                             const yaml_node_t *node)
{
    if (config_yaml_is_empty(node))
        return;
    if (node->type != YAML_SEQUENCE_NODE) {
        config_yaml_refuse(yaml, node, section,
                           "%s is not expected here, but a sequence: lines with `- %s: ...`",
                           config_yaml_kind(node), example);
        return;
    }
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        const yaml_node_t *map = config_yaml_node(yaml, *item);
        if (map->type != YAML_MAPPING_NODE) {
            config_yaml_refuse(yaml, map, section, "%s is not expected here, but a map: `%s: ...`",
                               config_yaml_kind(map), example);
            continue;
        }
        char place[CONFIG_PLACE_MAX];
        config_yaml_place(yaml, map, "", "", place);
        void *entry = strcmp(section, CONFIG_SECTION_AUTHN) == 0
                          ? (void *)config_authn_add(yaml->config, place, yaml->errors)
                          : (void *)config_listener_add(yaml->config, place, yaml->errors);
        if (entry == NULL)
            return;
        config_yaml_map(yaml, section, entry, NULL, map);
    }
}

/* The sections of one zone. */
static void config_yaml_zone(struct config_yaml *yaml, struct config_zone *zone,
                             const yaml_node_t *node)
{
    struct config_yaml_seen seen = {.num = 0};
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name_node = config_yaml_node(yaml, pair->key);
        const yaml_node_t *value = config_yaml_node(yaml, pair->value);
        const char *name = config_yaml_text(yaml, name_node, CONFIG_SECTION_ZONES);
        const char *section = name == NULL ? NULL : config_section_find(name);
        if (name == NULL)
            continue;
        if (section == NULL)
            config_yaml_unknown(yaml, "", name, name_node);
        else if (config_yaml_is_first(yaml, &seen, section, name, name_node) &&
                 value->type == YAML_MAPPING_NODE)
            config_yaml_map(yaml, section, zone->over, zone, value);
        else if (!config_yaml_is_empty(value) && value->type != YAML_MAPPING_NODE)
            config_yaml_refuse(yaml, value, section, "%s is not expected here, but a map of keys",
                               config_yaml_kind(value));
    }
}

/* The zones by their names. */
static void config_yaml_zones(struct config_yaml *yaml, const yaml_node_t *node)
{
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name_node = config_yaml_node(yaml, pair->key);
        const yaml_node_t *value = config_yaml_node(yaml, pair->value);
        const char *name = config_yaml_text(yaml, name_node, CONFIG_SECTION_ZONES);
        char place[CONFIG_PLACE_MAX];
        config_yaml_place(yaml, name_node, CONFIG_SECTION_ZONES, "", place);
        struct config_zone *zone = name == NULL
                                       ? NULL
                                       : config_zone_add(yaml->config, name, place, yaml->errors);
        if (zone == NULL || config_yaml_is_empty(value))
            continue;
        if (value->type == YAML_MAPPING_NODE)
            config_yaml_zone(yaml, zone, value);
        else
            config_yaml_refuse(yaml, value, CONFIG_SECTION_ZONES,
                               "%s is not expected here, but a map of sections",
                               config_yaml_kind(value));
    }
}

/* One pair of the root: a section, the listeners, or a key of its own. */
static void config_yaml_root_pair(struct config_yaml *yaml, struct config_yaml_seen *seen,
                                  const char *name, const yaml_node_t *name_node,
                                  const yaml_node_t *node)
{
    const struct config_key *key = config_key_find("", name);
    if (key != NULL) {
        if (config_yaml_is_first(yaml, seen, key, name, name_node))
            config_yaml_value(yaml, key, yaml->config, node);
        return;
    }
    const char *section = config_section_find(name);
    if (section == NULL) {
        config_yaml_unknown(yaml, "", name, name_node);
        return;
    }
    if (!config_yaml_is_first(yaml, seen, section, name, name_node))
        return;
    if (strcmp(section, CONFIG_SECTION_LISTENERS) == 0)
        config_yaml_list(yaml, section, "bind", node);
    else if (strcmp(section, CONFIG_SECTION_AUTHN) == 0)
        config_yaml_list(yaml, section, "type", node);
    else if (node->type == YAML_MAPPING_NODE && strcmp(section, CONFIG_SECTION_ZONES) == 0)
        config_yaml_zones(yaml, node);
    else if (node->type == YAML_MAPPING_NODE)
        config_yaml_map(yaml, section, yaml->config, NULL, node);
    else if (!config_yaml_is_empty(node))
        config_yaml_refuse(yaml, node, section, "%s is not expected here, but a map of keys",
                           config_yaml_kind(node));
}

static void config_yaml_root(struct config_yaml *yaml)
{
    const yaml_node_t *root = yaml_document_get_root_node(&yaml->document);
    if (root == NULL || config_yaml_is_empty(root))
        return;
    if (root->type != YAML_MAPPING_NODE) {
        config_yaml_refuse(yaml, root, "", "%s is not expected here, but a map of sections",
                           config_yaml_kind(root));
        return;
    }
    struct config_yaml_seen seen = {.num = 0};
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name_node = config_yaml_node(yaml, pair->key);
        const char *name = config_yaml_text(yaml, name_node, "");
        if (name != NULL)
            config_yaml_root_pair(yaml, &seen, name, name_node,
                                  config_yaml_node(yaml, pair->value));
    }
}

void config_yaml_apply(struct config *config, const char *name, const char *text, size_t text_len,
                       struct error_list *errors)
{
    CHECK(config != NULL && name != NULL && errors != NULL);
    CHECK(text != NULL || text_len == 0);
    if (!config_yaml_check_form(name, text, text_len, errors))
        return;
    yaml_parser_t parser;
    struct config_yaml yaml = {.config = config, .name = name, .errors = errors};
    if (!yaml_parser_initialize(&parser)) {
        error_list_add(errors, "%s: %s", name, rc_text(RC_NO_MEMORY));
        return;
    }
    config_yaml_open(&parser, text, text_len);
    if (yaml_parser_load(&parser, &yaml.document)) {
        config_yaml_root(&yaml);
        yaml_document_delete(&yaml.document);
    } else {
        config_yaml_refuse_syntax(&parser, name, text, text_len, errors);
    }
    yaml_parser_delete(&parser);
}
