/*
 * model_acl.c -- compiled access rules against a loop over the rules (route/acl_set.h).
 *
 * Rules, clients and topics are random over a few words, so that nearly every question meets rules
 * that almost fit. The twin takes the rules one after the other and judges a subscription by what
 * it could receive: it goes through every topic of up to TWIN_LEVELS levels over an alphabet that
 * holds all words and one that stands for all others. A rule that allows has to match each topic
 * that the requested filter matches, a rule that denies one of them. Invariants: both name the same
 * rule; each topic for itself (acl_topic_fits) is judged as the twin judges it.
 */
#include "../model_args.h"
#include "acl_set.h"
#include "mem.h"
#include "topic.h"

#include <arpa/inet.h>

#define RULES_MAX    24
#define FILTER_MAX   3 /* levels of filters */
#define TWIN_LEVELS  4 /* one more than filters have: what '#' stands for */
#define TWIN_WORDS   8
#define TOPICS_MAX   4700
#define TEXT_LEN_MAX 128

static struct model_args args;

static const char *const words[TWIN_WORDS] = {"a", "$s", "u1", "u2", "c1", "c2", "x", "other"};

static char topics[TOPICS_MAX][TEXT_LEN_MAX];
static uint32_t topics_count;

static void topics_make(const char *prefix, unsigned levels)
{
    for (unsigned i = 0; i < TWIN_WORDS; i++) {
        CHECK(topics_count < TOPICS_MAX);
        char *topic = topics[topics_count++];
        snprintf(topic, TEXT_LEN_MAX, "%s%s", prefix, words[i]);
        char below[TEXT_LEN_MAX];
        snprintf(below, sizeof(below), "%.100s/", topic);
        if (levels > 1)
            topics_make(below, levels - 1);
    }
}

/* --- random rules, clients and questions --- */

/* Sometimes a rule's language (placeholders), sometimes plain; `wild`: with wildcards. */
static void filter_random(char *out, size_t size, bool template, bool wild)
{
    static const char *const templates[] = {"${username}", "${clientid}", "${client_attrs.k}",
                                            "${cert_common_name}", "${$}s"};
    unsigned levels = 1 + model_below(&args, FILTER_MAX);
    size_t at = 0;
    for (unsigned i = 0; i < levels; i++) {
        const char *level = words[model_below(&args, TWIN_WORDS - 1)];
        if (template && model_below(&args, 4) == 0)
            level = templates[model_below(&args, ARRAY_LEN(templates))];
        if (wild && model_below(&args, 3) == 0)
            level = i + 1 == levels && model_below(&args, 2) == 0 ? "#" : "+";
        at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? "/" : "", level);
    }
}

static uint32_t who_leaf(struct acl_rules *rules)
{
    static const char *const users[] = {"u1", "u2", "u/1", "a"};
    static const char *const ranges[] = {"10.0.0.0", "10.1.0.0", "10.1.2.3"};
    static const uint8_t bits[] = {104, 112, 128};
    struct acl_who who = {.kind = (uint8_t)model_below(&args, ACL_WHO_AND)};
    unsigned pick = model_below(&args, ARRAY_LEN(users));
    who.text = bytes_of_text(users[pick]);
    if (who.kind == ACL_WHO_CLIENT)
        who.text = bytes_of_text(pick == 0 ? "c1" : "c2");
    if (who.kind == ACL_WHO_ATTRIBUTE)
        who.name = bytes_of_text(pick < 2 ? "k" : "l");
    if (who.kind == ACL_WHO_ADDRESS) {
        unsigned range = model_below(&args, ARRAY_LEN(ranges));
        char text[64];
        snprintf(text, sizeof(text), "::ffff:%s", ranges[range]);
        int done = inet_pton(AF_INET6, text, &who.address);
        CHECK(done == 1);
        who.bits = bits[range];
    }
    bool is_text = who.kind >= ACL_WHO_USER && who.kind <= ACL_WHO_ATTRIBUTE;
    if (!is_text)
        who.text.len = 0;
    if (is_text && model_below(&args, 3) == 0) {
        struct regex_fault fault;
        who.text = bytes_of_text(pick < 2 ? "^[uc]1" : "2$");
        enum rc rc = regex_compile(who.text, &who.regex, &fault);
        CHECK(rc == RC_OK);
    }
    uint32_t index;
    enum rc rc = acl_rules_who(rules, &who, &index);
    CHECK(rc == RC_OK);
    return index;
}

static uint32_t who_random(struct acl_rules *rules, unsigned depth)
{
    if (depth == 0 || model_below(&args, 3) > 0)
        return who_leaf(rules);
    struct acl_who who = {.kind = model_below(&args, 2) == 0 ? ACL_WHO_AND : ACL_WHO_OR};
    uint32_t index;
    enum rc rc = acl_rules_who(rules, &who, &index);
    CHECK(rc == RC_OK);
    for (unsigned n = model_below(&args, 4); n > 0; n--)
        acl_rules_who_join(rules, index, who_random(rules, depth - 1));
    return index;
}

static struct acl_rules *rules_random(void)
{
    struct acl_rules *rules = acl_rules_create();
    for (unsigned n = model_below(&args, RULES_MAX); n > 0; n--) {
        for (unsigned t = model_below(&args, 4); t > 0; t--) {
            char text[TEXT_LEN_MAX];
            const char *why;
            uint32_t at;
            bool is_eq = model_below(&args, 5) == 0;
            filter_random(text, sizeof(text), true, true);
            bool good = acl_topic_check(bytes_of_text(text), is_eq, &why, &at);
            CHECK(good);
            enum rc rc = acl_rules_topic(rules, bytes_of_text(text), is_eq);
            CHECK(rc == RC_OK);
        }
        bool narrow = model_below(&args, 4) == 0;
        struct acl_rule rule = {.allow = model_below(&args, 2) == 0,
                                .actions = (uint8_t)(1 + model_below(&args, 3)),
                                .qos = narrow ? (uint8_t)model_below(&args, 8) : ACL_QOS_ANY,
                                .retain = narrow ? (uint8_t)model_below(&args, 4) : ACL_RETAIN_ANY,
                                .who = who_random(rules, 2)};
        enum rc rc = acl_rules_add(rules, &rule);
        CHECK(rc == RC_OK);
    }
    return rules;
}

static struct bytes word_random(const char *const *list, unsigned count)
{
    const char *word = list[model_below(&args, count)];
    return bytes_of_text(word);
}

static struct client_identity subject_random(struct identity_attr attributes[2])
{
    static const char *const names[] = {"", "u1", "u2", "u/1", "a", "#", "$s", "c1", "c2", "x"};
    static const char *const hosts[] = {"::ffff:10.0.0.9", "::ffff:10.1.0.1", "::ffff:10.1.2.3",
                                        "::ffff:11.1.1.1", "fe80::1",         "::",
                                        "::ffff:127.0.0.1"};
    unsigned count = ARRAY_LEN(names);
    attributes[0] = (struct identity_attr){bytes_of_text("k"), word_random(names, count)};
    attributes[1] = (struct identity_attr){bytes_of_text("l"), word_random(names, count)};
    struct client_identity subject = {.client_id = word_random(names + 1, count - 1),
                                      .username = word_random(names, count),
                                      .cert_common_name = word_random(names, count),
                                      .attrs = attributes,
                                      .attrs_num = model_below(&args, 3)};
    int done = inet_pton(AF_INET6, hosts[model_below(&args, ARRAY_LEN(hosts))], subject.address);
    CHECK(done == 1);
    return subject;
}

/* --- the twin --- */

static bool twin_value(const struct acl_who *who, struct bytes value)
{
    if (value.len == 0)
        return false;
    return who->regex != NULL ? regex_match(who->regex, value) == REGEX_YES
                              : bytes_equal(who->text, value);
}

static bool twin_address(const struct acl_who *who, const struct client_identity *subject)
{
    bool same = false;
    for (unsigned i = 0; i < sizeof(subject->address); i++)
        same |= subject->address[i] != 0;
    for (unsigned bit = 0; bit < who->bits; bit++) {
        uint8_t differs = who->address.s6_addr[bit / 8] ^ subject->address[bit / 8];
        same &= (differs & (0x80 >> bit % 8)) == 0;
    }
    return same;
}

static bool twin_who(const struct acl_rules *rules, uint32_t index,
                     const struct client_identity *subject)
{
    const struct acl_who *who = &rules->whos[index];
    bool all = true;
    bool any = false;
    for (uint32_t i = who->child; i != ACL_NONE; i = rules->whos[i].next) {
        bool fits = twin_who(rules, i, subject);
        all &= fits;
        any |= fits;
    }
    switch (who->kind) {
    case ACL_WHO_ALL:
        return true;
    case ACL_WHO_LOCAL:
        return identity_is_local(subject->address);
    case ACL_WHO_ANONYMOUS:
        return subject->username.len == 0;
    case ACL_WHO_USER:
        return twin_value(who, subject->username);
    case ACL_WHO_CLIENT:
        return twin_value(who, subject->client_id);
    case ACL_WHO_COMMON_NAME:
        return twin_value(who, subject->cert_common_name);
    case ACL_WHO_ATTRIBUTE:
        for (uint32_t i = 0; i < subject->attrs_num; i++)
            if (bytes_equal(subject->attrs[i].name, who->name))
                return twin_value(who, subject->attrs[i].value);
        return false;
    case ACL_WHO_ADDRESS:
        return twin_address(who, subject);
    case ACL_WHO_AND:
        return all && any;
    default:
        return any;
    }
}

/* The client's words put in. False: it lacks one, or has one that may not stand in a topic. */
static bool twin_render(struct bytes text, const struct client_identity *subject, char *out)
{
    uint32_t at = 0;
    struct acl_piece piece;
    while (acl_piece_next(&text, &piece)) {
        struct bytes value = piece.text;
        if (piece.kind == ACL_PIECE_CLIENT)
            value = subject->client_id;
        if (piece.kind == ACL_PIECE_USER)
            value = subject->username;
        if (piece.kind == ACL_PIECE_COMMON_NAME)
            value = subject->cert_common_name;
        if (piece.kind == ACL_PIECE_ATTRIBUTE) {
            value.len = 0;
            for (uint32_t i = 0; i < subject->attrs_num; i++)
                if (bytes_equal(subject->attrs[i].name, piece.text))
                    value = subject->attrs[i].value;
        }
        for (uint32_t i = 0; piece.kind != ACL_PIECE_TEXT && i < value.len; i++)
            if (strchr("/+#", value.ptr[i]) != NULL)
                return false;
        if (value.len == 0)
            return false;
        CHECK(at + value.len < TEXT_LEN_MAX);
        memcpy(out + at, value.ptr, value.len);
        at += value.len;
    }
    out[at] = '\0';
    return true;
}

static bool twin_topic(const struct acl_topic *topic, bool allow,
                       const struct client_identity *subject, const struct acl_query *query)
{
    char text[TEXT_LEN_MAX];
    if (!twin_render(topic->text, subject, text))
        return false;
    struct bytes filter = bytes_of_text(text);
    if (topic->is_eq)
        return bytes_equal(filter, query->topic);
    if (query->action == ACL_PUBLISH)
        return topic_matches(filter, query->topic);
    bool all = true;
    bool any = false;
    for (uint32_t i = 0; i < topics_count; i++) {
        struct bytes name = bytes_of_text(topics[i]);
        if (!topic_matches(query->topic, name))
            continue;
        bool inside = topic_matches(filter, name);
        all &= inside;
        any |= inside;
    }
    return allow ? all : any;
}

static uint32_t twin_find(const struct acl_rules *rules, const struct client_identity *subject,
                          const struct acl_query *query)
{
    for (uint32_t i = 0; i < rules->rules_count; i++) {
        const struct acl_rule *rule = &rules->rules[i];
        bool fits = (rule->actions & query->action) != 0 && (rule->qos >> query->qos & 1) != 0 &&
                    (query->action == ACL_SUBSCRIBE || (rule->retain >> query->retain & 1) != 0) &&
                    twin_who(rules, rule->who, subject);
        bool topic_fits = rule->topics_count == 0;
        for (uint32_t t = 0; fits && t < rule->topics_count; t++)
            topic_fits |= twin_topic(&rules->topics[rule->topics_first + t], rule->allow, subject,
                                     query);
        if (fits && topic_fits)
            return i;
    }
    return ACL_NONE;
}

static void compare(const struct acl_set *set)
{
    const struct acl_rules *rules = acl_set_rules(set);
    struct identity_attr attributes[2];
    struct client_identity subject = subject_random(attributes);
    char text[TEXT_LEN_MAX];
    struct acl_query query = {.action = model_below(&args, 2) == 0 ? ACL_PUBLISH : ACL_SUBSCRIBE,
                              .qos = (uint8_t)model_below(&args, 3),
                              .retain = model_below(&args, 2) == 0};
    filter_random(text, sizeof(text), false, query.action == ACL_SUBSCRIBE);
    query.topic = bytes_of_text(text);
    uint32_t found = acl_set_find(set, &subject, &query);
    uint32_t wanted = twin_find(rules, &subject, &query);
    if (found != wanted)
        fprintf(stderr, "%s %s: rule %d, the twin says %d\n",
                query.action == ACL_PUBLISH ? "publish" : "subscribe", text, (int)found,
                (int)wanted);
    CHECK(found == wanted);
    bool allowed = wanted == ACL_NONE ? acl_set_no_match(set) : rules->rules[wanted].allow;
    CHECK(acl_set_allows(set, &subject, &query) == allowed);
    CHECK(allowed || acl_set_judges(set, query.action));
    uint8_t kind = text[0] == '$' ? ACL_TOPICS_DOLLAR : ACL_TOPICS_PLAIN;
    CHECK(allowed || query.action == ACL_SUBSCRIBE || (acl_set_judges_publish(set) & kind) != 0);
    if (rules->topics_count == 0)
        return;
    const struct acl_topic *topic = &rules->topics[model_below(&args, rules->topics_count)];
    for (unsigned allow = 0; allow < 2; allow++)
        CHECK(acl_topic_fits(topic->text, topic->is_eq, allow == 1, &subject, &query) ==
              twin_topic(topic, allow == 1, &subject, &query));
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 60);
    topics_make("", TWIN_LEVELS);
    struct hash_key key = {{args.seed | 1, 12345}};
    for (uint64_t step = 0; step < args.steps; step++) {
        struct acl_set *set;
        enum rc rc = acl_set_create(rules_random(), model_below(&args, 2) == 0, &key, &set);
        CHECK(rc == RC_OK);
        for (unsigned i = 0; i < 100; i++)
            compare(set);
        acl_set_destroy(set);
    }
    return 0;
}
