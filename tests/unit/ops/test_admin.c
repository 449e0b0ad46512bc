/*
 * test_admin.c -- the HTTP endpoint from the outside, in one thread: a client's socket that does
 * not wait and the endpoint take turns.
 */
#include "admin.h"
#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS_MAX 2000 /* of a millisecond at most */

static struct admin *admin;
static uint16_t port;
static uint64_t now_ms = 1000;
static const char *not_ready_reason;
static unsigned writes;
static char answer[1 << 16];
static size_t answer_len;

static void write_metrics(void *context, struct exposition *out)
{
    assert_ptr_equal(context, &writes);
    static const struct exposition_family family = {
        .name = "x_seen", .type = EXPOSITION_COUNTER, .help = "Seen."};
    exposition_open(out, &family);
    exposition_whole(out, NULL, 0, ++writes);
}

static const char *not_ready(void *context)
{
    assert_ptr_equal(context, &writes);
    return not_ready_reason;
}

static const struct admin_hooks hooks = {
    .context = &writes, .write = write_metrics, .not_ready = not_ready};

static enum rc open_at(const char *uri_text, struct admin **out, uint16_t *out_port)
{
    struct listen_uri uri;
    const char *why = NULL;
    char reason[128];
    assert_int_equal(listen_uri_parse(uri_text, &uri, &why), RC_OK);
    enum rc rc = admin_open(out, &uri, &hooks, out_port, reason, sizeof(reason));
    if (rc != RC_OK)
        assert_null(*out);
    return rc;
}

static int setup(void **state)
{
    (void)state;
    not_ready_reason = NULL;
    writes = 0;
    return open_at("tcp://127.0.0.1:0", &admin, &port) == RC_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    admin_close(admin);
    return 0;
}

/* ---- the client ---- */

static int client_connect(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    int done = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    assert_true(done == 0 || errno == EINPROGRESS);
    return fd;
}

/* Lets the endpoint work, once, for as long as a millisecond. */
static void turn(void)
{
    struct pollfd poll_fd = {.fd = admin_fd(admin), .events = POLLIN};
    poll(&poll_fd, 1, admin_timeout_ms(admin, 1));
    admin_run(admin, now_ms);
}

/*
 * Takes what the endpoint sends into `answer` until `length` bytes are there (0: until it closes
 * the connection). True if that came about.
 */
static bool client_read(int fd, size_t length)
{
    answer_len = 0;
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        turn();
        ssize_t got = recv(fd, answer + answer_len, sizeof(answer) - 1 - answer_len, 0);
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return length == 0;
        if (got > 0)
            answer_len += (size_t)got;
        answer[answer_len] = '\0';
        if (got == 0)
            return length == 0;
        if (length > 0 && answer_len >= length)
            return true;
    }
    return false;
}

static void client_send(int fd, const char *request)
{
    size_t len = strlen(request);
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        ssize_t sent = send(fd, request, len, MSG_NOSIGNAL);
        if (sent == (ssize_t)len)
            return;
        turn();
    }
    fail_msg("the request could not be sent");
}

/* One request on a connection of its own, which is closed afterwards. */
static const char *ask(const char *request)
{
    int fd = client_connect();
    client_send(fd, request);
    assert_true(client_read(fd, 0));
    close(fd);
    turn();
    return answer;
}

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static void begins(const char *text, const char *expected)
{
    if (strncmp(text, expected, strlen(expected)) != 0)
        fail_msg("got %.200s, expected %s", text, expected);
}

static const char *body(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

/* ---- tests ---- */

static void metrics_in_both_formats(void **state)
{
    (void)state;
    const char *text = ask("GET /metrics HTTP/1.1\r\n" CLOSE);
    begins(text, "HTTP/1.1 200 ");
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_string_equal(body(text), "# HELP x_seen_total Seen.\n# TYPE x_seen_total counter\n"
                                    "x_seen_total 1\n");
    text = ask("GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n" CLOSE);
    begins(text, "HTTP/1.1 200 ");
    assert_non_null(strstr(
        text, "\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert_string_equal(body(text), "# HELP x_seen Seen.\n# TYPE x_seen counter\n"
                                    "x_seen_total 2\n# EOF\n");
}

static void head_has_no_body(void **state)
{
    (void)state;
    const char *text = ask("HEAD /metrics HTTP/1.1\r\n" CLOSE);
    begins(text, "HTTP/1.1 200 ");
    assert_non_null(strstr(text, "\r\nContent-Length: 69\r\n"));
    assert_string_equal(body(text), "");
}

static void health(void **state)
{
    (void)state;
    const char *text = ask("GET /livez HTTP/1.1\r\n" CLOSE);
    begins(text, "HTTP/1.1 200 ");
    assert_string_equal(body(text), "ok\n");
    text = ask("GET /readyz HTTP/1.1\r\n" CLOSE);
    begins(text, "HTTP/1.1 200 ");
    assert_string_equal(body(text), "ok\n");
    not_ready_reason = "stopping";
    text = ask("GET /readyz HTTP/1.1\r\n" CLOSE);
    begins(text, "HTTP/1.1 503 ");
    assert_string_equal(body(text), "stopping\n");
    begins(ask("GET /livez HTTP/1.1\r\n" CLOSE), "HTTP/1.1 200 ");
    assert_int_equal(writes, 0);
}

static void other_paths_and_methods(void **state)
{
    (void)state;
    begins(ask("GET / HTTP/1.1\r\n" CLOSE), "HTTP/1.1 404 ");
    begins(ask("GET /metrics/ HTTP/1.1\r\n" CLOSE), "HTTP/1.1 404 ");
    begins(ask("GET /metrics%00 HTTP/1.1\r\n" CLOSE), "HTTP/1.1 ");
    const char *text = ask("POST /metrics HTTP/1.1\r\n" CLOSE);
    begins(text, "HTTP/1.1 405 ");
    assert_non_null(strstr(text, "\r\nAllow: GET, HEAD\r\n"));
    begins(ask("DELETE /livez HTTP/1.1\r\n" CLOSE), "HTTP/1.1 405 ");
    begins(ask("PUT /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc"),
           "HTTP/1.1 405 ");
    begins(ask("POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
           "HTTP/1.1 405 ");
    begins(ask("GET /metrics?name=a HTTP/1.0\r\n\r\n"), "HTTP/1.");
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    int fd = client_connect();
    for (unsigned i = 0; i < 3; i++) {
        client_send(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(client_read(fd, 100));
        begins(answer, "HTTP/1.1 200 ");
    }
    close(fd);
}

static void a_head_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static char request[2 * HTTP_HEAD_BYTES_MAX];
    size_t len = (size_t)snprintf(request, sizeof(request), "GET /metrics HTTP/1.1\r\nX: ");
    memset(request + len, 'a', sizeof(request) - 1 - len);
    int fd = client_connect();
    client_send(fd, request);
    assert_true(client_read(fd, 0));
    if (answer_len > 0)
        begins(answer, "HTTP/1.1 431 ");
    close(fd);
    assert_int_equal(writes, 0);
}

static void no_http_is_refused(void **state)
{
    (void)state;
    const char *text = ask("\x10\x0c\r\n\r\n\r\n");
    if (answer_len > 0)
        begins(text, "HTTP/1.");
    assert_int_equal(writes, 0);
    begins(ask("GET /livez HTTP/1.1\r\n" CLOSE), "HTTP/1.1 200 ");
}

static void a_slow_request_is_given_up(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, "GET /livez HT");
    assert_false(client_read(fd, 1));
    now_ms += HTTP_REQUEST_MS_MAX;
    client_send(fd, "TP/1.1\r\n");
    assert_false(client_read(fd, 1));
    now_ms += 1;
    assert_true(client_read(fd, 0));
    close(fd);
    /* One that asks now and then is not. */
    fd = client_connect();
    for (unsigned i = 0; i < 3; i++) {
        client_send(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(client_read(fd, 100));
        now_ms += HTTP_REQUEST_MS_MAX;
        turn();
    }
    close(fd);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    int fds[HTTP_CONNECTIONS_MAX];
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        fds[i] = client_connect();
        client_send(fds[i], "GET /livez HTTP/1.1\r\n");
        turn();
    }
    int one_more = client_connect();
    client_send(one_more, "GET /livez HTTP/1.1\r\n" CLOSE);
    answer_len = 0;
    bool served = false;
    for (unsigned round = 0; round < 50 && !served; round++) {
        turn();
        served = recv(one_more, answer, 1, MSG_PEEK) > 0;
    }
    assert_false(served);
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        close(fds[i]);
    assert_true(client_read(one_more, 0));
    begins(answer, "HTTP/1.1 200 ");
    close(one_more);
}

static void an_address_in_use_is_told(void **state)
{
    (void)state;
    char uri[64];
    struct admin *second = NULL;
    uint16_t second_port = 0;
    snprintf(uri, sizeof(uri), "tcp://127.0.0.1:%u", port);
    assert_int_equal(open_at(uri, &second, &second_port), RC_EXISTS);
    assert_int_equal(open_at("tcp://192.0.2.1:1", &second, &second_port), RC_IO);
    assert_int_equal(open_at("tcp://[::1]:0", &second, &second_port), RC_OK);
    assert_true(second_port != 0);
    admin_close(second);
    admin_close(NULL);
}

static void closing_drops_connections(void **state)
{
    (void)state;
    int fd = client_connect();
    client_send(fd, "GET /livez HTTP/1.1\r\n");
    turn();
    admin_close(admin);
    assert_int_equal(open_at("tcp://127.0.0.1:0", &admin, &port), RC_OK);
    assert_true(client_read(fd, 0));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(metrics_in_both_formats, setup, teardown),
        cmocka_unit_test_setup_teardown(head_has_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(health, setup, teardown),
        cmocka_unit_test_setup_teardown(other_paths_and_methods, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_serves_many_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(a_head_that_is_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_http_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_request_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_in_use_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_drops_connections, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
