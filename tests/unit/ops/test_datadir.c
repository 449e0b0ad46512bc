/*
 * test_datadir.c -- the directory of what outlives the process (ops/datadir.h).
 *
 * Each test works below a fresh directory of its own, which is removed afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datadir.h"

static char root[256];
static struct datadir dir;
static char reason[512];

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "%s/sluice-datadir-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    reason[0] = '\0';
    return mkdtemp(root) == NULL;
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    datadir_close(&dir);
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *below(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void open_ok(const char *path)
{
    if (datadir_open(&dir, path, reason, sizeof(reason)) != RC_OK)
        fail_msg("%s: %s", path, reason);
}

static void without_a_directory_there_is_a_secret_of_one_run(void **state)
{
    (void)state;
    open_ok("none");
    assert_int_equal(dir.lock_fd, -1);
    assert_string_equal(dir.path, "");
    assert_true(dir.secret.words[0] != 0 && dir.secret.words[1] != 0);
    struct hash_key first = dir.secret;
    open_ok("none");
    assert_memory_not_equal(&first, &dir.secret, sizeof(first));
}

static void the_secret_is_made_once(void **state)
{
    (void)state;
    open_ok(below("a/b/c"));
    struct hash_key first = dir.secret;
    assert_true(first.words[0] != 0 && first.words[1] != 0);
    struct stat info;
    assert_int_equal(stat(below("a/b/c/secret"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, 16);
    assert_int_equal(stat(below("a/b/c/secret.new"), &info), -1);
    datadir_close(&dir);
    open_ok(below("a/b/c"));
    assert_memory_equal(&first, &dir.secret, sizeof(first));
    datadir_close(&dir);
    open_ok(below("other"));
    assert_memory_not_equal(&first, &dir.secret, sizeof(first));
}

static void a_second_broker_is_refused(void **state)
{
    (void)state;
    struct datadir second;
    open_ok(below("d"));
    assert_int_equal(datadir_open(&second, below("d"), reason, sizeof(reason)), RC_EXISTS);
    assert_int_equal(second.lock_fd, -1);
    assert_non_null(strstr(reason, "in use"));
    assert_non_null(strstr(reason, below("d")));
    datadir_close(&dir);
    assert_int_equal(datadir_open(&second, below("d"), reason, sizeof(reason)), RC_OK);
    datadir_close(&second);
}

static void a_file_in_the_way_is_told(void **state)
{
    (void)state;
    int fd = open(below("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(datadir_open(&dir, below("file"), reason, sizeof(reason)), RC_IO);
    assert_non_null(strstr(reason, "Not a directory"));
    assert_non_null(strstr(reason, "--data"));
    assert_int_equal(datadir_open(&dir, below("file/below"), reason, sizeof(reason)), RC_IO);
    assert_int_equal(dir.lock_fd, -1);
}

static void a_damaged_secret_is_not_replaced(void **state)
{
    (void)state;
    uint8_t bytes[16];
    memset(bytes, 0x55, sizeof(bytes));
    for (unsigned len = 0; len <= sizeof(bytes); len += 4) {
        assert_true(mkdir(below("d"), 0700) == 0 || len > 0);
        if (len == sizeof(bytes))
            memset(bytes, 0, sizeof(bytes)); /* long enough, but no key */
        int fd = open(below("d/secret"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, len), len);
        close(fd);
        assert_int_equal(datadir_open(&dir, below("d"), reason, sizeof(reason)), RC_IO);
        assert_non_null(strstr(reason, "secret"));
        assert_int_equal(dir.lock_fd, -1); /* given back: another try is not "in use" */
        struct stat info;
        assert_int_equal(stat(below("d/secret"), &info), 0);
        assert_int_equal(info.st_size, len);
    }
}

/* A secret that is there but cannot be opened must not be taken for none. */
static void an_unreadable_secret_is_not_replaced(void **state)
{
    (void)state;
    assert_int_equal(mkdir(below("d"), 0700), 0);
    assert_int_equal(symlink("secret", below("d/secret")), 0);
    assert_int_equal(datadir_open(&dir, below("d"), reason, sizeof(reason)), RC_IO);
    struct stat info;
    assert_int_equal(lstat(below("d/secret"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

static void a_path_too_long_is_refused(void **state)
{
    (void)state;
    char path[5000];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_not_equal(datadir_open(&dir, path, reason, sizeof(reason)), RC_OK);
    assert_true(strlen(reason) > 0);
}

/* The usual place of somebody who is not root: where XDG says, or below HOME. */
static void the_usual_place_is_the_users(void **state)
{
    (void)state;
    bool was_root = geteuid() == 0;
    assert_int_equal(chmod(root, 0777), 0);
    if (was_root && seteuid(65534) != 0)
        skip();
    setenv("XDG_STATE_HOME", below("xdg"), 1);
    setenv("HOME", below("home"), 1);
    open_ok("");
    assert_string_equal(dir.path, below("xdg/sluice"));
    datadir_close(&dir);
    setenv("XDG_STATE_HOME", "not/absolute", 1);
    open_ok("");
    assert_string_equal(dir.path, below("home/.local/state/sluice"));
    datadir_close(&dir);
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    enum rc rc = datadir_open(&dir, "", reason, sizeof(reason));
    if (was_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(rc, RC_NOT_FOUND);
    assert_non_null(strstr(reason, "--data"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_a_directory_there_is_a_secret_of_one_run),
        TEST(the_secret_is_made_once),
        TEST(a_second_broker_is_refused),
        TEST(a_file_in_the_way_is_told),
        TEST(a_damaged_secret_is_not_replaced),
        TEST(an_unreadable_secret_is_not_replaced),
        TEST(a_path_too_long_is_refused),
        TEST(the_usual_place_is_the_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
