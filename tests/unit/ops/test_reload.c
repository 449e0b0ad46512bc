/*
 * test_reload.c -- the phases of a reload over parts of this test's own: all commit or none does,
 * and nothing is left behind (ops/reload.h).
 */
#include "broker.h"
#include "reload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PARTS 3

/* States are the address of one of these: what was prepared, what was in use before. */
static char made[PARTS];
static char used[PARTS];
static char told[256]; /* what happened, in order */
static unsigned refusing;
static struct broker *const no_broker = NULL;
static const struct config no_config;
static struct error_list errors;

static void note(const char *what, unsigned part)
{
    size_t len = strlen(told);
    told[len] = what[0];
    told[len + 1] = (char)('0' + part);
    told[len + 2] = '\0';
}

static bool prepare(unsigned part, const struct config *next, struct error_list *list, void **out)
{
    assert_ptr_equal(next, &no_config);
    note("prepare", part);
    if (refusing == part) {
        error_list_add(list, "part %u does not want to", part);
        return false;
    }
    if (part != 1)
        *out = &made[part];
    return true;
}

static void *commit(unsigned part, void *state)
{
    assert_ptr_equal(state, part == 1 ? NULL : &made[part]);
    note("commit", part);
    return part == 1 ? NULL : &used[part];
}

static void dispose(unsigned part, void *state)
{
    note(state == &made[part] ? "made" : "used", part);
    assert_true(state == &made[part] || state == &used[part]);
}

#define PART(n)                                                                                    \
    static bool prepare_##n(struct broker *broker, const struct config *next,                      \
                            struct error_list *list, void **out)                                   \
    {                                                                                              \
        assert_ptr_equal(broker, no_broker);                                                       \
        return prepare(n, next, list, out);                                                        \
    }                                                                                              \
    static void *commit_##n(struct broker *broker, void *state)                                    \
    {                                                                                              \
        (void)broker;                                                                              \
        return commit(n, state);                                                                   \
    }                                                                                              \
    static void dispose_##n(struct broker *broker, void *state)                                    \
    {                                                                                              \
        (void)broker;                                                                              \
        dispose(n, state);                                                                         \
    }                                                                                              \
    static const struct reload_part part_##n = {                                                   \
        .name = #n, .prepare = prepare_##n, .commit = commit_##n, .dispose = dispose_##n};

PART(0)
PART(1)
PART(2)

static const struct reload_part *const parts[PARTS] = {&part_0, &part_1, &part_2};
static struct reload_set set;

static int set_up(void **state)
{
    (void)state;
    told[0] = '\0';
    refusing = PARTS;
    error_list_init(&errors);
    set = (struct reload_set){.parts = parts, .num = PARTS};
    return 0;
}

static void all_commit_and_the_old_states_go_later(void **state)
{
    (void)state;
    assert_true(reload_prepare(&set, no_broker, &no_config, &errors));
    assert_string_equal(told, "p0p1p2");
    reload_commit(&set, no_broker);
    assert_string_equal(told, "p0p1p2c0c1c2");
    reload_dispose(&set, no_broker);
    /* The second part has no state, and nothing is disposed of for it. */
    assert_string_equal(told, "p0p1p2c0c1c2u2u0");
    reload_dispose(&set, no_broker);
    assert_string_equal(told, "p0p1p2c0c1c2u2u0");
    assert_true(error_list_is_empty(&errors));
}

static void one_that_refuses_makes_all_the_others_let_go(void **state)
{
    (void)state;
    static const char *const expected[PARTS] = {"p0p1p2m2", "p0p1p2m2m0", "p0p1p2m0"};
    for (refusing = 0; refusing < PARTS; refusing++) {
        told[0] = '\0';
        error_list_init(&errors);
        assert_false(reload_prepare(&set, no_broker, &no_config, &errors));
        assert_string_equal(told, expected[refusing]);
        assert_int_equal(errors.num, 1);
        reload_dispose(&set, no_broker);
        assert_string_equal(told, expected[refusing]);
    }
}

static void after_a_refusal_it_works_again(void **state)
{
    (void)state;
    refusing = 2;
    assert_false(reload_prepare(&set, no_broker, &no_config, &errors));
    refusing = PARTS;
    told[0] = '\0';
    assert_true(reload_prepare(&set, no_broker, &no_config, &errors));
    reload_commit(&set, no_broker);
    reload_dispose(&set, no_broker);
    assert_string_equal(told, "p0p1p2c0c1c2u2u0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_commit_and_the_old_states_go_later, set_up),
        cmocka_unit_test_setup(one_that_refuses_makes_all_the_others_let_go, set_up),
        cmocka_unit_test_setup(after_a_refusal_it_works_again, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
