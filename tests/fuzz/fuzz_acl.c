/*
 * fuzz_acl.c -- files with access rules from any bytes, in each of the three formats.
 *
 * The input is read as it is by every reader, compiled if a reader takes it, and asked about topics
 * that are pieces of the input. Invariants, beside those that the code asserts:
 *
 *   - it is read with no message, or is not read and says why;
 *   - a set finds a rule that exists, or none, and the same one when it is asked again;
 *   - a set that says it denies nobody an action denies nobody.
 */
#include "acl_file.h"
#include "acl_set.h"
#include "mem.h"
#include "topic.h"
#include "utf8.h"

#include <stdlib.h>

#define FUZZ_TOPIC_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_ask(const struct acl_set *set, const struct client_identity *subject,
                     struct bytes topic)
{
    for (unsigned i = 0; i < 6; i++) {
        struct acl_query query = {.topic = topic,
                                  .action = i % 2 == 0 ? ACL_PUBLISH : ACL_SUBSCRIBE,
                                  .qos = (uint8_t)(i % 3),
                                  .retain = i > 2};
        bool is_valid = query.action == ACL_PUBLISH
                            ? topic_name_check(topic, FUZZ_TOPIC_MAX) == TOPIC_OK
                            : topic_filter_check(topic, FUZZ_TOPIC_MAX) == TOPIC_OK;
        if (!is_valid)
            continue;
        uint32_t rule = acl_set_find(set, subject, &query);
        CHECK(rule == ACL_NONE || rule < acl_set_rules(set)->rules_count);
        CHECK(rule == acl_set_find(set, subject, &query));
        CHECK(acl_set_allows(set, subject, &query) || acl_set_judges(set, query.action));
    }
}

/* Pieces of the input between blanks, as words of a client and as topics. */
static void fuzz_pieces(const struct acl_set *set, const uint8_t *data, size_t len)
{
    struct identity_attr attribute = {bytes_of_text("role"), bytes_of_text("ops")};
    struct client_identity subject = {
        .client_id = bytes_of_text("c"), .attrs = &attribute, .attrs_num = 1};
    unsigned questions = 0;
    for (size_t from = 0; from < len && questions < 200;) {
        size_t to = from;
        while (to < len && memchr(" \n\"=,", data[to], 5) == NULL)
            to++;
        struct bytes piece = bytes_of(data + from, to - from);
        from = to + 1;
        if (piece.len == 0 || piece.len > FUZZ_TOPIC_MAX)
            continue;
        fuzz_ask(set, &subject, piece);
        questions++;
        subject.cert_common_name = subject.username;
        subject.username = subject.client_id;
        subject.client_id = piece;
        memcpy(subject.address, piece.ptr, piece.len < 16 ? piece.len : 16);
    }
}

static void fuzz_format(const uint8_t *data, size_t len, enum acl_format format)
{
    static struct error_list errors;
    struct hash_key key = {{11, 13}};
    struct acl_rules *rules = acl_rules_create();
    CHECK(rules != NULL);
    error_list_init(&errors);
    bool good = acl_file_read_text(rules, "fuzz", bytes_of(data, len), format, &errors);
    CHECK(good == error_list_is_empty(&errors));
    struct acl_set *set = NULL;
    if (!good || acl_set_create(rules, len % 2 == 0, &key, &set) != RC_OK) {
        acl_rules_destroy(rules);
        return;
    }
    fuzz_pieces(set, data, len);
    acl_set_destroy(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t nothing[1];
    const uint8_t *bytes = len > 0 ? data : nothing;
    for (int format = ACL_FORMAT_AUTO; format <= ACL_FORMAT_MOSQUITTO; format++)
        fuzz_format(bytes, len, (enum acl_format)format);
    return 0;
}
