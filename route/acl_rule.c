/*
 * acl_rule.c -- the list of rules while it is being written; see acl_rule.h.
 *
 * Arrays double; texts go into blocks of ACL_TEXT_BLOCK bytes that never move, so that views into
 * them stay valid.
 *
 * Threads: see acl_rule.h.
 */
#include "acl_rule.h"

#include "alloc.h"
#include "topic.h"

#define ACL_TEXT_BLOCK 65536

struct acl_text_block {
    struct acl_text_block *next;
    uint32_t used;
    uint32_t capacity;
    uint8_t bytes[];
};

struct acl_rules *acl_rules_create(void)
{
    struct acl_rules *rules = alloc_zeroed(sizeof(*rules));
    if (rules != NULL)
        rules->magic = ACL_RULES_MAGIC;
    return rules;
}

void acl_rules_destroy(struct acl_rules *rules)
{
    if (rules == NULL)
        return;
    CHECK_OBJ(rules, ACL_RULES_MAGIC);
    for (uint32_t i = 0; i < rules->whos_count; i++)
        regex_free(rules->whos[i].regex);
    while (rules->texts != NULL) {
        struct acl_text_block *block = rules->texts;
        rules->texts = block->next;
        mem_free(block);
    }
    mem_free(rules->rules);
    mem_free(rules->topics);
    mem_free(rules->whos);
    rules->magic = 0;
    mem_free(rules);
}

/* Room for one element more. */
static bool acl_reserve(void **array, uint32_t count, uint32_t *capacity, size_t element)
{
    CHECK(count <= *capacity && element > 0);
    if (count < *capacity)
        return true;
    uint32_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = alloc_grown(*array, count * element, wanted * element);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

static bool acl_text_copy(struct acl_rules *rules, struct bytes text, struct bytes *out)
{
    struct acl_text_block *block = rules->texts;
    if (block == NULL || block->capacity - block->used < text.len) {
        uint32_t capacity = text.len > ACL_TEXT_BLOCK ? text.len : ACL_TEXT_BLOCK;
        /* A list of a few rules, as a token brings, takes little. */
        if (rules->texts == NULL && text.len < 512)
            capacity = 512;
        block = mem_alloc(sizeof(*block) + capacity);
        if (block == NULL)
            return false;
        *block = (struct acl_text_block){.next = rules->texts, .capacity = capacity};
        rules->texts = block;
    }
    uint8_t *at = block->bytes + block->used;
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    block->used += text.len;
    *out = (struct bytes){.ptr = at, .len = text.len};
    return true;
}

enum rc acl_rules_file(struct acl_rules *rules, struct bytes name, uint8_t *out_file)
{
    CHECK_OBJ(rules, ACL_RULES_MAGIC);
    if (rules->files_count == ACL_FILES_MAX)
        return RC_FULL;
    if (!acl_text_copy(rules, name, &rules->files[rules->files_count]))
        return RC_NO_MEMORY;
    *out_file = (uint8_t)rules->files_count++;
    return RC_OK;
}

enum rc acl_rules_who(struct acl_rules *rules, const struct acl_who *who, uint32_t *out)
{
    CHECK_OBJ(rules, ACL_RULES_MAGIC);
    CHECK(who->kind < ACL_WHO_KINDS && who->bits <= 128);
    struct acl_who copy = *who;
    copy.child = ACL_NONE;
    copy.next = ACL_NONE;
    if (!acl_reserve((void **)&rules->whos, rules->whos_count, &rules->whos_capacity,
                     sizeof(*rules->whos)) ||
        !acl_text_copy(rules, who->name, &copy.name) ||
        !acl_text_copy(rules, who->text, &copy.text))
        return RC_NO_MEMORY;
    rules->whos[rules->whos_count] = copy;
    *out = rules->whos_count++;
    return RC_OK;
}

void acl_rules_who_join(struct acl_rules *rules, uint32_t parent, uint32_t child)
{
    CHECK_OBJ(rules, ACL_RULES_MAGIC);
    CHECK(parent < rules->whos_count && child < rules->whos_count && parent != child);
    struct acl_who *who = &rules->whos[parent];
    CHECK(who->kind == ACL_WHO_AND || who->kind == ACL_WHO_OR);
    uint32_t *link = &who->child;
    while (*link != ACL_NONE)
        link = &rules->whos[*link].next;
    *link = child;
}

enum rc acl_rules_topic(struct acl_rules *rules, struct bytes text, bool is_eq)
{
    CHECK_OBJ(rules, ACL_RULES_MAGIC);
    struct acl_topic topic = {.is_eq = is_eq};
    if (!acl_reserve((void **)&rules->topics, rules->topics_count, &rules->topics_capacity,
                     sizeof(*rules->topics)) ||
        !acl_text_copy(rules, text, &topic.text))
        return RC_NO_MEMORY;
    rules->topics[rules->topics_count++] = topic;
    return RC_OK;
}

enum rc acl_rules_add(struct acl_rules *rules, const struct acl_rule *rule)
{
    CHECK_OBJ(rules, ACL_RULES_MAGIC);
    CHECK(rule->who < rules->whos_count && (rule->actions & ~ACL_BOTH) == 0 && rule->actions != 0);
    CHECK((rule->qos & ~ACL_QOS_ANY) == 0 && (rule->retain & ~ACL_RETAIN_ANY) == 0);
    if (rules->rules_count == ACL_RULES_MAX)
        return RC_FULL;
    if (!acl_reserve((void **)&rules->rules, rules->rules_count, &rules->rules_capacity,
                     sizeof(*rules->rules)))
        return RC_NO_MEMORY;
    uint32_t first = 0;
    if (rules->rules_count > 0) {
        const struct acl_rule *last = &rules->rules[rules->rules_count - 1];
        first = last->topics_first + last->topics_count;
    }
    struct acl_rule *added = &rules->rules[rules->rules_count++];
    *added = *rule;
    added->topics_first = first;
    added->topics_count = rules->topics_count - first;
    return RC_OK;
}

/* X(words, kind); client_attrs.NAME is the last, by its beginning. */
#define ACL_PLACEHOLDER_TABLE(X)                                                                   \
    X("clientid", ACL_PIECE_CLIENT)                                                                \
    X("username", ACL_PIECE_USER)                                                                  \
    X("cert_common_name", ACL_PIECE_COMMON_NAME)

#define ACL_ATTRIBUTES "client_attrs."

/* What stands between the braces. False: nothing that is known. */
static bool acl_placeholder(struct bytes name, struct acl_piece *out)
{
    static const struct {
        const char *words;
        enum acl_piece_kind kind;
    } table[] = {
#define ACL_PLACEHOLDER_ROW(words, kind) {words, kind},
        ACL_PLACEHOLDER_TABLE(ACL_PLACEHOLDER_ROW)
#undef ACL_PLACEHOLDER_ROW
    };
    if (bytes_equal(name, bytes_of_text("$"))) {
        *out = (struct acl_piece){.kind = ACL_PIECE_TEXT, .text = name};
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (bytes_equal(name, bytes_of_text(table[i].words))) {
            *out = (struct acl_piece){.kind = table[i].kind};
            return true;
        }
    }
    uint32_t prefix = sizeof(ACL_ATTRIBUTES) - 1;
    if (name.len <= prefix || memcmp(name.ptr, ACL_ATTRIBUTES, prefix) != 0)
        return false;
    *out = (struct acl_piece){.kind = ACL_PIECE_ATTRIBUTE,
                              .text = bytes_of(name.ptr + prefix, name.len - prefix)};
    return true;
}

/* The length of the placeholder that begins at `text`, braces and $ included; 0: none does. */
static uint32_t acl_placeholder_len(struct bytes text)
{
    if (text.len < 2 || text.ptr[0] != '$' || text.ptr[1] != '{')
        return 0;
    const uint8_t *end = memchr(text.ptr, '}', text.len);
    return end == NULL ? text.len : (uint32_t)(end - text.ptr) + 1;
}

bool acl_piece_next(struct bytes *rest, struct acl_piece *out)
{
    if (rest->len == 0)
        return false;
    uint32_t len = acl_placeholder_len(*rest);
    if (len > 0) {
        bool known = acl_placeholder(bytes_of(rest->ptr + 2, len - 3), out);
        CHECK(known);
    } else {
        do {
            len++;
        } while (len < rest->len &&
                 acl_placeholder_len(bytes_of(rest->ptr + len, rest->len - len)) == 0);
        *out = (struct acl_piece){.kind = ACL_PIECE_TEXT, .text = bytes_of(rest->ptr, len)};
    }
    *rest = bytes_of(rest->ptr + len, rest->len - len);
    return true;
}

bool acl_topic_has_placeholder(struct bytes text)
{
    struct acl_piece piece;
    while (acl_piece_next(&text, &piece))
        if (piece.kind != ACL_PIECE_TEXT)
            return true;
    return false;
}

/* Are all placeholders of the text known ones, each within a level? */
static bool acl_placeholders_check(struct bytes text, const char **out_why, uint32_t *out_at)
{
    for (uint32_t at = 0; at < text.len; at++) {
        uint32_t len = acl_placeholder_len(bytes_of(text.ptr + at, text.len - at));
        if (len == 0)
            continue;
        struct acl_piece piece;
        *out_at = at;
        *out_why = "a placeholder without its '}'";
        if (text.ptr[at + len - 1] != '}')
            return false;
        *out_why = "an unknown placeholder (there are ${clientid}, ${username}, "
                   "${cert_common_name}, ${client_attrs.NAME}, and ${$} for a single $)";
        struct bytes name = bytes_of(text.ptr + at + 2, len - 3);
        if (!acl_placeholder(name, &piece) || memchr(name.ptr, '/', name.len) != NULL)
            return false;
        at += len - 1;
    }
    return true;
}

bool acl_topic_check(struct bytes text, bool is_eq, const char **out_why, uint32_t *out_at)
{
    *out_at = 0;
    *out_why = topic_result_text(TOPIC_EMPTY);
    if (text.len == 0)
        return false;
    *out_why = "a zero byte";
    const uint8_t *zero = memchr(text.ptr, 0, text.len);
    if (zero != NULL) {
        *out_at = (uint32_t)(zero - text.ptr);
        return false;
    }
    if (!acl_placeholders_check(text, out_why, out_at))
        return false;
    *out_at = 0;
    /* Names of placeholders hold no '/', '+' or '#' but in attributes, which may be called so. */
    enum topic_result result = topic_filter_check(text, ACL_LEVELS_MAX);
    if (is_eq && result != TOPIC_TOO_LONG)
        return true;
    *out_why = topic_result_text(result);
    return result == TOPIC_OK;
}
