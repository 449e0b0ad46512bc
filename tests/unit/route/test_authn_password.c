/*
 * test_authn_password.c -- the step that compares passwords (route/authn_password.h): its verdicts,
 * and that it hashes for nobody, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "authn_password.h"
#include "password.h"

#define USERS                                                                                      \
    "a:$6$c2FsdHNhbHQ=$aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqvCA" \
    "kFV1LKTDFH6Q==:superuser\n"

static struct authn_step *step;

static int set_up(void **state)
{
    (void)state;
    struct user_table *users = NULL;
    struct user_table_error error;
    if (!password_start() || user_table_read(bytes_of_text(USERS), &users, &error) != RC_OK)
        return -1;
    step = authn_password_create(users, AUTHN_USER_IS_NAME, NULL);
    return step != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    authn_step_unref(step);
    return 0;
}

/* The verdict; *out_decoys: how many hashes were made for nobody. */
static enum authn_verdict ask(const char *name, const char *password, uint64_t *out_decoys)
{
    struct authn_job job = {.magic = AUTHN_JOB_MAGIC};
    uint64_t before = authn_password_decoys();
    if (name != NULL)
        job.asked.username = bytes_of_text(name);
    if (password != NULL)
        job.asked.password = bytes_of_text(password);
    enum authn_verdict verdict = step->ops->run(step, &job);
    *out_decoys = authn_password_decoys() - before;
    assert_int_equal(job.identity != NULL, verdict == AUTHN_ALLOW);
    if (job.identity != NULL)
        assert_true(job.identity->is.is_superuser);
    identity_destroy(job.identity);
    return verdict;
}

static void verdicts(void **state)
{
    (void)state;
    uint64_t decoys = 0;
    assert_int_equal(ask("a", "secret", &decoys), AUTHN_ALLOW);
    assert_int_equal(decoys, 0);
    assert_int_equal(ask("a", "wrong", &decoys), AUTHN_DENY);
    assert_int_equal(decoys, 0);
    assert_int_equal(ask(NULL, "secret", &decoys), AUTHN_IGNORE);
    assert_int_equal(ask("a", NULL, &decoys), AUTHN_IGNORE);
    assert_int_equal(decoys, 0);
}

static void whoever_is_not_there_costs_a_hash(void **state)
{
    (void)state;
    uint64_t decoys = 0;
    assert_int_equal(ask("nobody", "secret", &decoys), AUTHN_IGNORE);
    assert_int_equal(decoys, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(whoever_is_not_there_costs_a_hash),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
