/*
 * test_relay.c -- the server that only copies (bench/load/relay.h), as a generator sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "interrupt.h"
#include "relay.h"

static const enum options_io ways[] = {OPTIONS_IO_AUTO, OPTIONS_IO_EPOLL};

static struct endpoint endpoint;
static pid_t relay;

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* Blocking, and patient for five seconds. */
static int call(void)
{
    const struct timeval patience = {.tv_sec = 5};
    for (unsigned i = 0; i < 1000; i++) {
        int fd = socket(endpoint.broker.ss_family, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        if (connect(fd, (const struct sockaddr *)&endpoint.broker, endpoint.broker_len) == 0) {
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
                             0);
            return fd;
        }
        close(fd);
        nap();
    }
    fail_msg("the relay does not listen");
    return -1;
}

static void start(enum options_io io)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    endpoint = (struct endpoint){.broker_len = len};
    memcpy(&endpoint.broker, &address, len);
    relay = fork();
    assert_true(relay >= 0);
    if (relay > 0)
        return;
    interrupt_install();
    const struct options options = {.host = "127.0.0.1", .io = io};
    _exit(relay_run(&options, &endpoint));
}

static void stop(void)
{
    int status;
    assert_int_equal(kill(relay, SIGTERM), 0);
    assert_int_equal(waitpid(relay, &status, 0), relay);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void put(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static void expect(int fd, const void *data, size_t len)
{
    uint8_t got[1024];
    assert_true(len <= sizeof(got));
    assert_int_equal(recv(fd, got, len, MSG_WAITALL), len);
    assert_memory_equal(got, data, len);
}

static int client(unsigned version)
{
    uint8_t packet[256];
    int fd = call();
    const struct codec_connect connect = {.version = version, .client_id = "test"};
    put(fd, packet, codec_connect_put(packet, sizeof(packet), &connect));
    if (version == 5)
        expect(fd, "\x20\x03\x00\x00\x00", 5);
    else
        expect(fd, "\x20\x02\x00\x00", 4);
    return fd;
}

static void subscribe(int fd, unsigned version, const char *filter, unsigned qos, uint8_t answer)
{
    uint8_t packet[256];
    put(fd, packet, codec_subscribe_put(packet, sizeof(packet), version, 7, filter, qos));
    const uint8_t v3[] = {0x90, 3, 0, 7, answer};
    const uint8_t v5[] = {0x90, 4, 0, 7, 0, answer};
    if (version == 5)
        expect(fd, v5, sizeof(v5));
    else
        expect(fd, v3, sizeof(v3));
}

static void a_publication_goes_to_its_subscriber(void **state)
{
    (void)state;
    static const uint8_t qos0[] = "\x30\x06\x00\x01"
                                  "ahej";
    static const uint8_t qos1[] = "\x32\x06\x00\x01"
                                  "b\x00\x09!";
    for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
        start(ways[i]);
        int a = client(4);
        int b = client(4);
        int publisher = client(4);
        subscribe(a, 4, "a", 0, 0);
        subscribe(b, 4, "b", 2, 1); /* not QoS 2 */
        put(publisher, qos0, 5);    /* in two pieces */
        nap();
        put(publisher, qos0 + 5, sizeof(qos0) - 1 - 5);
        expect(a, qos0, sizeof(qos0) - 1);
        put(publisher, qos1, sizeof(qos1) - 1);
        expect(b, qos1, sizeof(qos1) - 1);
        expect(publisher, "\x40\x02\x00\x09", 4);
        close(a);
        close(b);
        close(publisher);
        stop();
    }
}

static void version_5_is_spoken_too(void **state)
{
    (void)state;
    static const uint8_t publish[] = "\x30\x05\x00\x01"
                                     "a\x00!";
    start(OPTIONS_IO_AUTO);
    int subscriber = client(5);
    int publisher = client(5);
    subscribe(subscriber, 5, "a", 1, 1);
    put(publisher, publish, sizeof(publish) - 1);
    expect(subscriber, publish, sizeof(publish) - 1);
    close(subscriber);
    close(publisher);
    stop();
}

static void a_second_subscriber_is_refused_until_the_first_has_left(void **state)
{
    (void)state;
    static const uint8_t publish[] = "\x30\x04\x00\x01"
                                     "a!";
    start(OPTIONS_IO_AUTO);
    int first = client(4);
    int second = client(4);
    int publisher = client(4);
    subscribe(first, 4, "a", 0, 0);
    subscribe(second, 4, "a", 0, 0x80);
    put(publisher, publish, sizeof(publish) - 1);
    expect(first, publish, sizeof(publish) - 1);
    close(first);
    nap();
    nap();
    subscribe(second, 4, "a", 0, 0);
    put(publisher, publish, sizeof(publish) - 1);
    expect(second, publish, sizeof(publish) - 1);
    close(second);
    close(publisher);
    stop();
}

static void nonsense_ends_the_connection(void **state)
{
    (void)state;
    static const uint8_t qos2[] = "\x34\x06\x00\x01"
                                  "b\x00\x09!";
    static const uint8_t long_length[] = "\x30\xff\xff\xff\xff\x01";
    static const struct {
        const uint8_t *data;
        size_t len;
    } bad[] = {{qos2, sizeof(qos2) - 1}, {long_length, sizeof(long_length) - 1}};
    start(OPTIONS_IO_AUTO);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        uint8_t byte;
        ssize_t got;
        int fd = client(4);
        put(fd, bad[i].data, bad[i].len);
        while ((got = recv(fd, &byte, 1, 0)) > 0)
            ;
        assert_int_equal(got, 0);
        close(fd);
    }
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_goes_to_its_subscriber),
        cmocka_unit_test(version_5_is_spoken_too),
        cmocka_unit_test(a_second_subscriber_is_refused_until_the_first_has_left),
        cmocka_unit_test(nonsense_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
