/*
 * password_job.c -- see password_job.h.
 *
 * Threads: see password_job.h.
 */
#include "password_job.h"

#include <string.h>

#include "alloc.h"
#include "digest.h"
#include "router.h"

struct password_job *password_job_create(enum password_algorithm algorithm, struct bytes password,
                                         void *context)
{
    CHECK((unsigned)algorithm < PASSWORD_COUNT);
    struct password_job *job = mem_alloc(sizeof(*job) + password.len);
    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof(*job));
    job->magic = PASSWORD_JOB_MAGIC;
    job->algorithm = algorithm;
    job->context = context;
    job->password = bytes_of(job + 1, password.len);
    if (password.len > 0)
        memcpy(job + 1, password.ptr, password.len);
    return job;
}

void password_job_destroy(struct password_job *job)
{
    if (job == NULL)
        return;
    CHECK_OBJ(job, PASSWORD_JOB_MAGIC);
    digest_wipe(job + 1, job->password.len);
    job->magic = 0;
    mem_free(job);
}

void password_job_work(struct mail_port *port, const struct mail *mail)
{
    struct password_job *job = mail->ptr;
    CHECK_OBJ(job, PASSWORD_JOB_MAGIC);
    job->rc = password_make(job->algorithm, job->password, job->form);
    digest_wipe(job + 1, job->password.len);
    struct mail answer = {.kind = MAIL_PASSWORD_MADE, .ptr = job};
    mail_send(port, mail->from, MAIL_CONFIRM, &answer);
}

void password_job_drop(const struct mail *mail)
{
    password_job_destroy(mail->ptr);
}
