/*
 * test_ctl_log_record.c -- lines of sluicectl log dump (ctl_log_record.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "ctl_log_record.h"
#include "store_record.h"

#define TEXT(s) bytes_of_text(s)

static char line[4096];

static const char *print(uint8_t type, struct bytes body)
{
    memset(line, 0, sizeof(line));
    FILE *out = fmemopen(line, sizeof(line), "w");
    assert_non_null(out);
    ctl_log_record_print(type, body, out);
    fclose(out);
    return line;
}

static const char *line_of(const struct store_record *record)
{
    static struct store_parts parts;
    static uint8_t flat[4096];
    uint32_t len = 0;
    store_encode(record, &parts);
    for (unsigned i = 0; i < parts.num; i++) {
        memcpy(flat + len, parts.parts[i].ptr, parts.parts[i].len);
        len += parts.parts[i].len;
    }
    return print(record->type, bytes_of(flat, len));
}

static void a_line_says_what_the_record_says(void **state)
{
    (void)state;
    const struct store_record session = {.type = STORE_SESSION,
                                         .session = 3,
                                         .client_id = TEXT("meter \"7\"\n"),
                                         .version = 5,
                                         .expiry_s = 60,
                                         .wall_ms = 1500};
    assert_string_equal(line_of(&session),
                        "session session=3 client=\"meter \\x227\\x22\\x0a\" mqtt=5 expiry_s=60 "
                        "disconnected=1970-01-01T00:00:01Z");
    const struct store_record subscribe = {.type = STORE_SUBSCRIBE,
                                           .session = 3,
                                           .filter = TEXT("$share/g/a/#"),
                                           .options = 1,
                                           .sub_id = 9};
    assert_string_equal(line_of(&subscribe), "subscribe session=3 filter=\"$share/g/a/#\" "
                                             "options=0x01 identifier=9");
    const struct store_record inbound = {
        .type = STORE_INBOUND, .session = 3, .packet_id = 8, .number = 77};
    assert_string_equal(line_of(&inbound), "inbound session=3 message=77 packet_id=8");
    const struct store_record gone = {
        .type = STORE_UNRETAIN, .number = 4, .message = {.topic = TEXT("a/b")}};
    assert_string_equal(line_of(&gone), "unretain version=4 topic=\"a/b\"");
    const struct store_record kept = {
        .type = STORE_RETAIN,
        .number = 4,
        .message = {.topic = TEXT("a/b"), .payload = TEXT("on"), .owner = 0xabc, .retain = true}};
    assert_string_equal(line_of(&kept), "retain version=4 topic=\"a/b\" message_qos=0 "
                                        "message_retain owner=0000000000000abc payload[2]=\"on\"");
    const struct store_record row = {.type = STORE_KEYED,
                                     .table = TEXT("t"),
                                     .key = TEXT("k"),
                                     .value = TEXT("v"),
                                     .number = 2,
                                     .kept = true};
    assert_string_equal(line_of(&row), "keyed version=2 table=\"t\" key=\"k\" value[1]=\"v\"");
}

static void deliveries_say_where_they_stand(void **state)
{
    (void)state;
    const uint32_t ids[] = {5, 6};
    const struct store_record enqueue = {
        .type = STORE_ENQUEUE,
        .session = 1,
        .has_message = true,
        .entry = {.number = 2, .qos = 1, .state = STORE_QUEUED, .ids = ids, .ids_count = 2},
        .message = {.topic = TEXT("a/b"), .payload = TEXT("\x01go"), .qos = 1, .retain = true},
    };
    assert_string_equal(line_of(&enqueue),
                        "enqueue session=1 entry=2 qos=1 queued identifiers=5,6 topic=\"a/b\" "
                        "message_qos=1 message_retain payload[3]=\"\\x01go\"");
    const struct store_record sent = {
        .type = STORE_SENT,
        .session = 1,
        .entry = {
            .number = 2, .qos = 2, .state = STORE_WAIT_PUBCOMP, .packet_id = 4, .location = 4096}};
    assert_string_equal(line_of(&sent), "sent session=1 entry=2 qos=2 waits-for-pubcomp "
                                        "packet_id=4 message_at=4096");
}

/* Every type prints more than its name: a type without a row in the table would not. */
static void every_type_has_its_parts(void **state)
{
    (void)state;
    for (uint8_t type = 1; type < STORE_TYPE_END; type++) {
        const struct store_record record = {
            .type = type,
            .session = 1,
            .packet_id = 1,
            .client_id = TEXT("c"),
            .version = 4,
            .filter = TEXT("f"),
            .by = {.number = 0, .shards = 1},
            .table = TEXT("t"),
            .key = TEXT("k"),
            .has_message = type == STORE_ENQUEUE,
            .entry = {.qos = 1,
                      .state = type == STORE_SENT ? STORE_WAIT_PUBACK : STORE_QUEUED,
                      .packet_id = type == STORE_SENT},
            .message = {.topic = TEXT("a")},
        };
        const char *name = store_type_name(type);
        assert_non_null(name);
        const char *text = line_of(&record);
        assert_memory_equal(text, name, strlen(name));
        assert_true(strlen(text) > strlen(name));
        assert_null(strstr(text, "undecodable"));
    }
}

static void what_is_no_record_shows_its_bytes(void **state)
{
    (void)state;
    assert_string_equal(print(STORE_DONE, TEXT("\x01")), "done undecodable[1]=\"\\x01\"");
    assert_string_equal(print(200, TEXT("xy")), "type-200 undecodable[2]=\"xy\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_what_the_record_says),
        cmocka_unit_test(deliveries_say_where_they_stand),
        cmocka_unit_test(every_type_has_its_parts),
        cmocka_unit_test(what_is_no_record_shows_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
