/*
 * test_api_path.c -- paths of requests against those of routes (ops/api_path.h).
 */
#include "api_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char text[256];
static const char *params[2];

static enum api_path_match match(const char *route, const char *path)
{
    params[0] = params[1] = NULL;
    assert_true(strlen(path) + 3 <= sizeof(text));
    return api_path_match(route, path, text, params, 2);
}

static void literal_parts_are_compared(void **state)
{
    (void)state;
    assert_int_equal(match("/api/v5/banned", "/api/v5/banned"), API_PATH_IS);
    assert_int_equal(match("/api/v5/banned", "/api/v5/banned/"), API_PATH_OTHER);
    assert_int_equal(match("/api/v5/banned", "/api/v5/bann"), API_PATH_OTHER);
    assert_int_equal(match("/api/v5/banned", "/api/v5/bannedx"), API_PATH_OTHER);
    assert_int_equal(match("/api/v5/banned", "/api/v5"), API_PATH_OTHER);
    assert_int_equal(match("/api/v5/banned", "api/v5/banned"), API_PATH_OTHER);
    assert_int_equal(match("/api/v5/banned", ""), API_PATH_OTHER);
    assert_int_equal(match("/api/v5/banned", "/api/v5/%62anned"), API_PATH_OTHER);
}

static void parameters_are_decoded(void **state)
{
    (void)state;
    assert_int_equal(match("/b/{}/{}", "/b/clientid/a%2Fb"), API_PATH_IS);
    assert_string_equal(params[0], "clientid");
    assert_string_equal(params[1], "a/b");
    assert_int_equal(match("/b/{}/x", "/b/%C3%bc+%25/x"), API_PATH_IS);
    assert_string_equal(params[0], "\xc3\xbc+%");
    assert_null(params[1]);
}

static void what_is_not_text_is_wrong(void **state)
{
    static const char *const parts[] = {"", "%00", "%", "%4", "%4x", "%zz", "%ff", "%C3"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char path[32];
        snprintf(path, sizeof(path), "/b/%s/x", parts[i]);
        assert_int_equal(match("/b/{}/x", path), API_PATH_WRONG);
        assert_int_equal(match("/b/{}/y", path), API_PATH_OTHER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal_parts_are_compared),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(what_is_not_text_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
