/*
 * test_password_job.c -- a password goes to a worker, its stored form comes back, and the password
 * is nowhere any more (route/password_job.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "authn.h"
#include "password_job.h"
#include "router.h"

static struct mesh *mesh;
static struct mail_port *ops;
static struct mail_port *worker;
static struct password_job *made;
static struct stats stats[2];

static void on_worker(void *context, const struct mail *mail)
{
    (void)context;
    authn_work(worker, mail);
}

static void on_ops(void *context, const struct mail *mail)
{
    (void)context;
    assert_int_equal(mail->kind, MAIL_PASSWORD_MADE);
    made = mail->ptr;
}

static struct password_job *run(enum password_algorithm algorithm, struct bytes password)
{
    struct password_job *job = password_job_create(algorithm, password, &made);
    assert_non_null(job);
    struct mail mail = {.kind = MAIL_PASSWORD, .ptr = job};
    made = NULL;
    mail_send(ops, 1, MAIL_CONTROL, &mail);
    mail_flush(ops, NULL, NULL);
    mail_drain(worker, 64, on_worker, NULL);
    mail_flush(worker, NULL, NULL);
    mail_drain(ops, 64, on_ops, NULL);
    assert_ptr_equal(made, job);
    assert_ptr_equal(made->context, &made);
    return made;
}

static void test_every_algorithm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PASSWORD_COUNT; i++) {
        struct password_job *job = run((enum password_algorithm)i, bytes_of_text("geheim"));
        assert_int_equal(job->rc, RC_OK);
        assert_true(password_matches(job->form, bytes_of_text("geheim")));
        assert_false(password_matches(job->form, bytes_of_text("geheim2")));
        for (uint32_t at = 0; at < job->password.len; at++)
            assert_int_equal(job->password.ptr[at], 0);
        password_job_destroy(job);
    }
}

static void test_a_password_that_cannot_be_taken(void **state)
{
    (void)state;
    struct password_job *job = run(PASSWORD_BCRYPT, bytes_of("a\0b", 3));
    assert_int_equal(job->rc, RC_INVALID);
    struct mail mail = {.kind = MAIL_PASSWORD_MADE, .ptr = job};
    password_job_drop(&mail);
    password_job_destroy(NULL);
}

static int setup(void **state)
{
    (void)state;
    mesh = mesh_create(2);
    ops = mail_port_create(mesh, 0, &stats[0]);
    worker = mail_port_create(mesh, 1, &stats[1]);
    return mesh == NULL || ops == NULL || worker == NULL || !password_start();
}

static int teardown(void **state)
{
    (void)state;
    mail_port_destroy(ops);
    mail_port_destroy(worker);
    mesh_destroy(mesh);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_a_password_that_cannot_be_taken),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
