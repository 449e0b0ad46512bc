/*
 * test_logger.c -- how log lines look when they are written (ops/logger.h).
 *
 * Standard error is a pipe while the logger writes, and is put back before anything is asserted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logger.h"

#define WRITTEN_MAX 65536

static char written[WRITTEN_MAX];
static int own_stderr;
static int pipe_fds[2];

static void capture_begin(void)
{
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    own_stderr = dup(STDERR_FILENO);
    dup2(pipe_fds[1], STDERR_FILENO);
}

static void capture_end(void)
{
    dup2(own_stderr, STDERR_FILENO);
    close(own_stderr);
    close(pipe_fds[1]);
    size_t len = 0;
    ssize_t got;
    while (len < WRITTEN_MAX - 1 &&
           (got = read(pipe_fds[0], written + len, WRITTEN_MAX - 1 - len)) > 0)
        len += (size_t)got;
    written[len] = '\0';
    close(pipe_fds[0]);
}

static void write_line(const char *text, enum log_level level, shard_id source, bool json)
{
    struct log_record record = {.wall_ms = UINT64_C(1769862896789),
                                .level = (uint16_t)level,
                                .source = source,
                                .text_len = (uint16_t)strlen(text)};
    memcpy(record.text, text, strlen(text) + 1);
    capture_begin();
    logger_write(&record, json);
    capture_end();
}

static void text_is_one_line(void **state)
{
    (void)state;
    write_line("ready", LOG_INFO, 3, false);
    assert_string_equal(written, "2026-01-31T12:34:56.789Z info    shard 3: ready\n");
    write_line("no", LOG_ERROR, SHARD_NONE, false);
    assert_string_equal(written, "2026-01-31T12:34:56.789Z error   no\n");
    write_line("", LOG_WARNING, 0, false);
    assert_string_equal(written, "2026-01-31T12:34:56.789Z warning shard 0: \n");
}

static void milliseconds_have_three_digits(void **state)
{
    (void)state;
    struct log_record record = {.wall_ms = 7, .level = LOG_INFO, .source = SHARD_NONE};
    capture_begin();
    logger_write(&record, false);
    capture_end();
    assert_string_equal(written, "1970-01-01T00:00:00.007Z info    \n");
}

static void json_is_one_object(void **state)
{
    (void)state;
    write_line("ready", LOG_INFO, 3, true);
    assert_string_equal(written, "{\"time\":\"2026-01-31T12:34:56.789Z\",\"level\":\"info\","
                                 "\"shard\":3,\"message\":\"ready\"}\n");
    write_line("ready", LOG_DEBUG, SHARD_NONE, true);
    assert_string_equal(written, "{\"time\":\"2026-01-31T12:34:56.789Z\",\"level\":\"debug\","
                                 "\"message\":\"ready\"}\n");
}

static void json_escapes_what_it_must(void **state)
{
    (void)state;
    write_line("say \"a\\b\"\n\t\x01\x1f\xc3\xa4", LOG_INFO, SHARD_NONE, true);
    assert_non_null(strstr(written, "\"message\":\"say \\\"a\\\\b\\\"\\u000a\\u0009\\u0001\\u001f"
                                    "\xc3\xa4\"}\n"));
}

/* The longest line in which every byte needs six. */
static void the_longest_line_fits(void **state)
{
    (void)state;
    char text[LOG_TEXT_MAX + 1];
    memset(text, 1, LOG_TEXT_MAX);
    text[LOG_TEXT_MAX] = '\0';
    write_line(text, LOG_WARNING, SHARDS_MAX - 1, true);
    const char *message = strstr(written, "\"message\":\"");
    assert_non_null(message);
    message += strlen("\"message\":\"");
    for (unsigned i = 0; i < LOG_TEXT_MAX; i++)
        assert_memory_equal(message + i * 6, "\\u0001", 6);
    assert_string_equal(message + LOG_TEXT_MAX * 6, "\"}\n");
    memset(text, 'x', LOG_TEXT_MAX);
    write_line(text, LOG_WARNING, SHARDS_MAX - 1, false);
    assert_non_null(strstr(written, text));
}

static void a_drain_writes_all_lines_in_order(void **state)
{
    (void)state;
    struct log_ring *ring = log_ring_create(7);
    assert_non_null(ring);
    log_attach(ring);
    for (unsigned i = 0; i < LOG_RING_RECORDS + 10; i++)
        log_write(LOG_INFO, "line %u.", i);
    log_attach(NULL);
    capture_begin();
    uint64_t lost = logger_drain(ring, false);
    uint64_t lost_again = logger_drain(ring, false);
    capture_end();
    assert_true(lost >= 10 && lost < 20);
    assert_int_equal(lost_again, 0);
    const char *at = written;
    for (unsigned i = 0; i < LOG_RING_RECORDS + 10 - lost; i++) {
        char text[40];
        snprintf(text, sizeof(text), "shard 7: line %u.\n", i);
        at = strstr(at, text);
        assert_non_null(at);
    }
    log_ring_destroy(ring);
}

static void the_format_can_be_chosen(void **state)
{
    (void)state;
    assert_true(logger_is_json(CONFIG_LOG_JSON));
    assert_false(logger_is_json(CONFIG_LOG_TEXT));
    capture_begin();
    bool piped = logger_is_json(CONFIG_LOG_AUTO);
    capture_end();
    assert_true(piped); /* a pipe is not a terminal */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_one_line),
        cmocka_unit_test(milliseconds_have_three_digits),
        cmocka_unit_test(json_is_one_object),
        cmocka_unit_test(json_escapes_what_it_must),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(a_drain_writes_all_lines_in_order),
        cmocka_unit_test(the_format_can_be_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
