/*
 * test_file_read.c -- whole files, pipes, and what is neither (ops/file_read.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_read.h"

static char folder[] = "/tmp/file_read_XXXXXX";
static char path[128];

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/file", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 31 + i / 257);
}

static void fill(FILE *file, size_t len)
{
    assert_non_null(file);
    for (size_t i = 0; i < len; i++)
        fputc(byte_at(i), file);
    fclose(file);
}

static void expect(size_t len, size_t max)
{
    size_t got = 12345;
    char *text = file_read(path, max, &got);
    assert_non_null(text);
    assert_int_equal(got, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal((uint8_t)text[i], byte_at(i));
    assert_int_equal(text[len], 0);
    free(text);
}

static void files_of_all_sizes_are_read_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        fill(fopen(path, "w"), sizes[i]);
        expect(sizes[i], 1000000);
        expect(sizes[i], sizes[i]); /* exactly as much as is allowed */
    }
}

static void one_byte_too_many_is_too_large(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4096, 4097, 100000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t len;
        fill(fopen(path, "w"), sizes[i]);
        assert_null(file_read(path, sizes[i] - 1, &len));
        assert_int_equal(errno, EFBIG);
    }
}

static void *write_slowly(void *argument)
{
    fill(fopen(path, "w"), *(const size_t *)argument);
    return NULL;
}

static void a_pipe_is_as_good_as_a_file(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 10, 4096, 300000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        pthread_t thread;
        unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(pthread_create(&thread, NULL, write_slowly, (void *)(uintptr_t)&sizes[i]),
                         0);
        expect(sizes[i], 300000);
        pthread_join(thread, NULL);
    }
    unlink(path);
}

static void why_it_cannot_be_read_is_told(void **state)
{
    (void)state;
    size_t len;
    unlink(path);
    assert_null(file_read(path, 100, &len));
    assert_int_equal(errno, ENOENT);
    assert_null(file_read(folder, 100, &len));
    assert_int_equal(errno, EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_all_sizes_are_read_whole),
        cmocka_unit_test(one_byte_too_many_is_too_large),
        cmocka_unit_test(a_pipe_is_as_good_as_a_file),
        cmocka_unit_test(why_it_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
