/*
 * test_ring.c -- receives into provided buffers of two sizes, on a real io_uring.
 *
 * Skipped where the kernel or the container does not allow io_uring, as the broker says itself.
 */
#include "ring.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL 16
#define LARGE 256

static const struct ring_buffers sizes = {
    .small_count = 2, .small_size = SMALL, .large_count = 2, .large_size = LARGE};

static struct ring *ring;
static int ours;
static int peer;

static int set_up(void **state)
{
    (void)state;
    char reason[256];
    int pair[2];
    ring = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return 1;
    ours = pair[0];
    peer = pair[1];
    return ring_probe(reason, sizeof(reason)) == RC_OK ? ring_create(&ring, &sizes) != RC_OK : 0;
}

static int tear_down(void **state)
{
    (void)state;
    ring_destroy(ring);
    close(ours);
    close(peer);
    return 0;
}

static void send_bytes(size_t len, uint8_t first)
{
    uint8_t bytes[4 * LARGE];
    assert_true(len <= sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(first + i);
    assert_int_equal(write(peer, bytes, len), len);
}

static struct completion next(void)
{
    struct completion completion;
    while (!ring_next(ring, &completion))
        assert_int_equal(ring_enter(ring, 100000000), RC_OK);
    return completion;
}

/* A completion with these bytes, whose buffer goes back if `give_back`. */
static struct completion expect(size_t len, uint8_t first, bool is_full, bool give_back)
{
    struct completion completion = next();
    assert_int_equal(completion.token, 7);
    assert_int_equal(completion.result, len);
    assert_true(ring_has_buffer(&completion));
    struct bytes bytes = ring_buffer(ring, &completion);
    assert_int_equal(bytes.len, len);
    for (uint32_t i = 0; i < bytes.len; i++)
        assert_int_equal(bytes.ptr[i], (uint8_t)(first + i));
    assert_int_equal(ring_buffer_is_full(ring, &completion), is_full);
    if (give_back)
        ring_buffer_return(ring, &completion);
    return completion;
}

/* A shard that spins looks at this instead of making a system call. */
static void the_flags_tell_of_requests_and_of_news(void **state)
{
    (void)state;
    if (ring == NULL)
        skip();
    assert_false(ring_has_requests(ring));
    ring_recv(ring, 7, ours, RING_RECV_ONCE);
    assert_true(ring_has_requests(ring));
    assert_int_equal(ring_enter(ring, RING_NO_WAIT), RC_OK);
    assert_false(ring_has_requests(ring));
    assert_false(ring_has_news(ring));
    send_bytes(4, 1);
    assert_true(ring_has_news(ring));
    assert_int_equal(ring_enter(ring, RING_NO_WAIT), RC_OK);
    assert_true(ring_has_news(ring));
    expect(4, 1, false, true);
    assert_false(ring_has_news(ring));
}

static void one_receive_takes_a_small_buffer(void **state)
{
    (void)state;
    if (ring == NULL)
        skip();
    ring_recv(ring, 7, ours, RING_RECV_ONCE);
    send_bytes(SMALL + 4, 1);
    struct completion first = expect(SMALL, 1, true, true);
    assert_int_equal(first.flags & RING_MORE, 0);
    ring_recv(ring, 7, ours, RING_RECV_ONCE);
    expect(4, 1 + SMALL, false, true);
}

static void small_buffers_run_out_and_come_back(void **state)
{
    (void)state;
    if (ring == NULL)
        skip();
    ring_recv(ring, 7, ours, RING_RECV_SMALL);
    send_bytes(3 * SMALL, 1);
    struct completion one = expect(SMALL, 1, true, false);
    struct completion two = expect(SMALL, 1 + SMALL, true, false);
    assert_true((one.flags & RING_MORE) != 0);
    struct completion none = next();
    assert_int_equal(none.result, -ENOBUFS);
    assert_int_equal(none.flags & RING_MORE, 0);
    assert_false(ring_has_buffer(&none));
    /* The large ones are others. */
    ring_recv(ring, 7, ours, RING_RECV_LARGE);
    expect(SMALL, 1 + 2 * SMALL, false, true);
    ring_buffer_return(ring, &two);
    ring_buffer_return(ring, &one);
}

static void large_buffers_cycle(void **state)
{
    (void)state;
    if (ring == NULL)
        skip();
    ring_recv(ring, 7, ours, RING_RECV_LARGE);
    uint8_t first = 0;
    for (unsigned i = 0; i < 10; i++) {
        send_bytes(LARGE, first);
        struct completion completion = expect(LARGE, first, true, true);
        assert_true((completion.flags & RING_MORE) != 0);
        send_bytes(LARGE - 1, first);
        completion = expect(LARGE - 1, first, false, true);
        assert_true((completion.flags & RING_MORE) != 0);
        first += 3;
    }
    close(peer);
    peer = dup(ours);
    struct completion end = next();
    assert_int_equal(end.result, 0);
    assert_int_equal(end.flags & RING_MORE, 0);
}

static void a_receive_is_cancelled_by_its_token(void **state)
{
    (void)state;
    if (ring == NULL)
        skip();
    ring_recv(ring, 7, ours, RING_RECV_SMALL);
    ring_cancel(ring, 8, 7);
    struct completion first = next();
    struct completion second = next();
    assert_int_equal(first.token + second.token, 15);
    assert_int_equal((first.token == 7 ? first : second).result, -ECANCELED);
}

/* ---- files ---- */

static void await_completions(unsigned count, int32_t *out_results)
{
    for (unsigned got = 0; got < count;) {
        struct completion completion;
        assert_int_equal(ring_enter(ring, UINT64_C(1000000000)), RC_OK);
        while (ring_next(ring, &completion)) {
            assert_in_range(completion.token, 1, count);
            out_results[completion.token - 1] = completion.result;
            got++;
        }
    }
}

static void durable_writes_complete_with_what_became_of_them(void **state)
{
    (void)state;
    if (ring == NULL)
        skip();
    char path[] = "test_ring.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(read_only >= 0);
    struct bytes first = {.ptr = (const uint8_t *)"first", .len = 5};
    struct bytes second = {.ptr = (const uint8_t *)"second", .len = 6};
    int32_t results[2];
    for (unsigned round = 0; round < 100; round++) {
        /* The second one meets a writer that is at work, or not any more. */
        ring_file_write(ring, 1, fd, first, 10 * (uint64_t)round, true);
        ring_file_write(ring, 2, round % 2 == 0 ? fd : read_only, second, 10 * (uint64_t)round + 4,
                        true);
        await_completions(2, results);
        assert_int_equal(results[0], 5);
        assert_int_equal(results[1], round % 2 == 0 ? 6 : -EBADF);
    }
    ring_file_write(ring, 1, read_only, first, 0, true);
    await_completions(1, results);
    assert_int_equal(results[0], -EBADF);
    char found[5];
    assert_int_equal(pread(fd, found, sizeof(found), 990), 5);
    assert_memory_equal(found, "first", 5);
    close(read_only);
    close(fd);
}

/* A pipe that nobody reads is a disk that does not answer; it and the thread stay to the end. */
static void a_ring_ends_although_a_durable_write_does_not(void **state)
{
    (void)state;
    if (ring == NULL)
        skip();
    static const uint8_t zeroes[2 * 65536];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct bytes data = {.ptr = zeroes, .len = sizeof(zeroes)};
    ring_file_write(ring, 1, ends[1], data, UINT64_MAX, true); /* where it is */
    int waiting = 0;
    while (waiting < 65536)
        assert_int_equal(ioctl(ends[0], FIONREAD, &waiting), 0);
    ring_destroy(ring);
    ring = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_flags_tell_of_requests_and_of_news, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_receive_takes_a_small_buffer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_buffers_run_out_and_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_buffers_cycle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_receive_is_cancelled_by_its_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(durable_writes_complete_with_what_became_of_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_ring_ends_although_a_durable_write_does_not, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
