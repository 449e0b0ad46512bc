/*
 * test_connector.c -- the helper process, asked for real (ops/connector.h).
 *
 * The argument is the path of sluice-connect. A thread plays the HTTP server: the first letter of
 * the path says how it answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "connector.h"

static const char *program;
static struct connector *connector;
static int server_fd = -1;
static uint16_t server_port;
static pthread_t server_thread;
static unsigned answers;
static uint16_t last_status;
static char last_body[256];
static uint32_t last_len;

static void serve(int fd)
{
    char head[4096];
    size_t len = 0;
    while (len < sizeof(head) - 1 && (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0)) {
        if (recv(fd, head + len, 1, 0) != 1)
            return;
        len++;
    }
    head[len] = '\0';
    const char *path = strchr(head, '/');
    static const char ok[] = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                             "content-length: 18\r\n\r\n{\"result\":\"allow\"}";
    static const char no[] = "HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n";
    static const char moved[] = "HTTP/1.1 302 Away\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n";
    static const char large[] = "HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n";
    switch (path == NULL ? 'n' : path[1]) {
    case 'o':
        (void)!write(fd, ok, sizeof(ok) - 1);
        return;
    case 'm':
        (void)!write(fd, moved, sizeof(moved) - 1);
        return;
    case 'l': {
        static char zeroes[65536];
        (void)!write(fd, large, sizeof(large) - 1);
        for (int i = 0; i < 138; i++)
            if (send(fd, zeroes, sizeof(zeroes), MSG_NOSIGNAL) <= 0)
                return;
        return;
    }
    case 's': /* says nothing until the client goes */
        (void)!recv(fd, head, 1, 0);
        return;
    default:
        (void)!write(fd, no, sizeof(no) - 1);
    }
}

static void *serve_one(void *argument)
{
    int fd = (int)(intptr_t)argument;
    serve(fd);
    close(fd);
    return NULL;
}

static void *serve_all(void *argument)
{
    (void)argument;
    for (;;) {
        int fd = accept(server_fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (server_fd < 0 || bind(server_fd, (struct sockaddr *)&address, len) != 0 ||
        listen(server_fd, 64) != 0 ||
        getsockname(server_fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    server_port = ntohs(address.sin_port);
    return pthread_create(&server_thread, NULL, serve_all, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    shutdown(server_fd, SHUT_RDWR);
    pthread_join(server_thread, NULL);
    close(server_fd);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    answers = 0;
    last_status = 999;
    return connector_create(&connector, program) == RC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    connector_destroy(connector);
    return 0;
}

static void note(void *context, const struct connect_response *response)
{
    answers++;
    last_status = response->status;
    last_len = response->body.len;
    uint32_t len = response->body.len < sizeof(last_body) - 1 ? response->body.len
                                                              : (uint32_t)sizeof(last_body) - 1;
    memcpy(last_body, response->body.ptr == NULL ? (const uint8_t *)"" : response->body.ptr, len);
    last_body[len] = '\0';
    if (context != NULL)
        ++*(unsigned *)context;
}

/* Turns until there are `count` answers, for at most 20 s. */
static void await(unsigned count)
{
    time_t end = time(NULL) + 20;
    while (answers < count) {
        assert_true(time(NULL) < end);
        struct pollfd fd = {.fd = connector_fd(connector), .events = connector_events(connector)};
        poll(&fd, 1, connector_timeout_ms(connector, 100));
        connector_run(connector);
    }
}

static enum rc ask(const char *path, uint32_t timeout_ms, uint32_t *out_id)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server_port, path);
    struct connect_request request = {.timeout_ms = timeout_ms,
                                      .connect_timeout_ms = 2000,
                                      .method = bytes_of_text("POST"),
                                      .url = bytes_of_text(url),
                                      .body = bytes_of_text("{\"clientid\":\"c\"}")};
    return connector_ask(connector, &request, note, NULL, out_id);
}

static void an_answer_comes_back(void **state)
{
    (void)state;
    uint32_t id;
    assert_int_equal(ask("/ok", 5000, &id), RC_OK);
    await(1);
    assert_int_equal(last_status, 200);
    assert_string_equal(last_body, "{\"result\":\"allow\"}");
    assert_int_equal(ask("/no", 5000, &id), RC_OK);
    await(2);
    assert_int_equal(last_status, 403);
}

static void redirections_are_answers_and_not_followed(void **state)
{
    (void)state;
    uint32_t id;
    assert_int_equal(ask("/moved", 5000, &id), RC_OK);
    await(1);
    assert_int_equal(last_status, 302);
}

static void a_slow_server_is_given_up_in_time(void **state)
{
    (void)state;
    uint32_t id;
    assert_int_equal(ask("/slow", 200, &id), RC_OK);
    await(1);
    assert_int_equal(last_status, 0);
    assert_true(last_len > 0);
}

static void too_large_an_answer_is_an_error(void **state)
{
    (void)state;
    uint32_t id;
    assert_int_equal(ask("/large", 5000, &id), RC_OK);
    await(1);
    assert_int_equal(last_status, 0);
    assert_string_equal(last_body, "the answer is too large");
}

static void only_http_is_spoken(void **state)
{
    (void)state;
    uint32_t id;
    struct connect_request request = {.timeout_ms = 2000,
                                      .method = bytes_of_text("GET"),
                                      .url = bytes_of_text("file:///etc/hostname")};
    assert_int_equal(connector_ask(connector, &request, note, NULL, &id), RC_OK);
    await(1);
    assert_int_equal(last_status, 0);
}

static void who_cancels_hears_nothing(void **state)
{
    (void)state;
    uint32_t slow;
    uint32_t id;
    assert_int_equal(ask("/slow", 5000, &slow), RC_OK);
    connector_cancel(connector, slow);
    connector_cancel(connector, slow);
    assert_int_equal(ask("/ok", 5000, &id), RC_OK);
    await(1);
    assert_int_equal(last_status, 200);
    struct connector_figures figures;
    connector_figures_read(connector, &figures);
    assert_int_equal(figures.under_way, 0);
}

static pid_t child_of_this_process(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", getpid(), getpid());
    FILE *file = fopen(path, "r");
    int pid = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    return pid;
}

static void when_the_helper_dies_everybody_is_answered_and_it_comes_back(void **state)
{
    (void)state;
    uint32_t id;
    assert_int_equal(ask("/slow", 5000, &id), RC_OK);
    assert_int_equal(ask("/slow", 5000, &id), RC_OK);
    connector_run(connector);
    kill(child_of_this_process(), SIGKILL);
    await(2);
    assert_int_equal(last_status, 0);
    assert_int_equal(ask("/ok", 5000, &id), RC_IO);
    time_t end = time(NULL) + 20;
    while (ask("/ok", 5000, &id) != RC_OK) {
        assert_true(time(NULL) < end);
        poll(NULL, 0, 20);
        connector_run(connector);
    }
    await(3);
    assert_int_equal(last_status, 200);
    struct connector_figures figures;
    connector_figures_read(connector, &figures);
    assert_int_equal(figures.starts, 2);
}

static void a_helper_that_hangs_is_killed(void **state)
{
    (void)state;
    uint32_t id;
    kill(child_of_this_process(), SIGSTOP);
    assert_int_equal(ask("/ok", 100, &id), RC_OK);
    await(1);
    assert_int_equal(last_status, 0);
}

static void many_at_once(void **state)
{
    (void)state;
    uint32_t id;
    for (unsigned i = 0; i < CONNECTOR_REQUESTS_MAX; i++)
        assert_int_equal(ask("/ok", 20000, &id), RC_OK);
    assert_int_equal(ask("/ok", 20000, &id), RC_FULL);
    await(CONNECTOR_REQUESTS_MAX);
    assert_int_equal(last_status, 200);
}

static void a_program_that_is_not_there_is_tried_again(void **state)
{
    (void)state;
    struct connector *none;
    uint32_t id;
    struct connect_request request = {.url = bytes_of_text("http://127.0.0.1/")};
    assert_int_equal(connector_create(&none, "/nonexistent/sluice-connect"), RC_OK);
    assert_int_equal(connector_fd(none), -1);
    assert_int_equal(connector_ask(none, &request, note, NULL, &id), RC_IO);
    assert_true(connector_timeout_ms(none, 10000) <= CONNECTOR_RESTART_MS);
    connector_run(none);
    connector_destroy(none);
}

int main(int argc, char **argv)
{
    program = argc > 1 ? argv[1] : "build-test/ops/sluice-connect";
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    const struct CMUnitTest tests[] = {
#define CONNECTOR_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CONNECTOR_TEST(an_answer_comes_back),
        CONNECTOR_TEST(redirections_are_answers_and_not_followed),
        CONNECTOR_TEST(a_slow_server_is_given_up_in_time),
        CONNECTOR_TEST(too_large_an_answer_is_an_error),
        CONNECTOR_TEST(only_http_is_spoken),
        CONNECTOR_TEST(who_cancels_hears_nothing),
        CONNECTOR_TEST(when_the_helper_dies_everybody_is_answered_and_it_comes_back),
        CONNECTOR_TEST(a_helper_that_hangs_is_killed),
        CONNECTOR_TEST(many_at_once),
        cmocka_unit_test(a_program_that_is_not_there_is_tried_again),
#undef CONNECTOR_TEST
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
