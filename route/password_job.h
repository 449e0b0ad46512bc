/*
 * password_job.h -- the making of a stored password on a worker: hashing is slow on purpose.
 *
 *   MAIL_PASSWORD       control, to a worker. ptr: struct password_job with a password.
 *   MAIL_PASSWORD_MADE  confirm, back to the sender. The same with its stored form, or why not.
 *
 * The password is wiped as soon as it is not needed any more.
 *
 * Threads: the job is its holder's.
 */
#ifndef SLUICE_PASSWORD_JOB_H
#define SLUICE_PASSWORD_JOB_H

#include "password.h"

#define PASSWORD_JOB_MAGIC 0x50574a42u

struct mail;
struct mail_port;

struct password_job {
    uint32_t magic;                       /* [I] */
    enum password_algorithm algorithm;    /* [I] */
    enum rc rc;                           /* [M] of password_make */
    void *context;                        /* [I] the sender's */
    struct bytes password;                /* [I] behind this structure */
    char form[PASSWORD_FORM_LEN_MAX + 1]; /* [M] */
};

/* Copies the password. NULL without memory. */
MUST_USE struct password_job *password_job_create(enum password_algorithm algorithm,
                                                  struct bytes password, void *context);
void password_job_destroy(struct password_job *job);

/* The worker's side, and mail that is left when the process ends. */
void password_job_work(struct mail_port *port, const struct mail *mail);
void password_job_drop(const struct mail *mail);

#endif
