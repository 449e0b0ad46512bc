/*
 * authn.c -- see authn.h.
 *
 * Threads: see authn.h.
 */
#include "authn.h"

#include <string.h>

#include "alloc.h"
#include "authn_set.h"
#include "digest.h"
#include "password_job.h"
#include "router.h"

const struct authn_step *authn_job_step(const struct authn_job *job)
{
    CHECK_OBJ(job, AUTHN_JOB_MAGIC);
    const struct authn_chain *chain = authn_set_chain(job->set, job->asked.listener_index);
    CHECK(job->step < chain->num);
    return chain->steps[job->step];
}

/* The views of credentials, for measuring and copying. */
#define AUTHN_VIEWS 8
static void authn_views(struct authn_asked *asked, struct bytes *out[AUTHN_VIEWS])
{
    struct bytes *views[AUTHN_VIEWS] = {
        &asked->client_id, &asked->username,         &asked->password,     &asked->method,
        &asked->data,      &asked->cert_common_name, &asked->cert_subject, &asked->listener};
    memcpy(out, views, sizeof(views));
}

static struct authn_job *authn_job_create(struct router *router, const struct authn_asked *asked,
                                          struct handle conn)
{
    struct bytes *views[AUTHN_VIEWS];
    struct authn_asked copy = *asked;
    size_t len = 0;
    authn_views(&copy, views);
    for (unsigned i = 0; i < AUTHN_VIEWS; i++)
        len += views[i]->len;
    struct authn_job *job = mem_alloc(sizeof(*job) + len);
    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof(*job));
    uint8_t *at = (uint8_t *)(job + 1);
    for (unsigned i = 0; i < AUTHN_VIEWS; i++) {
        if (views[i]->ptr == NULL)
            continue;
        if (views[i]->len > 0)
            memcpy(at, views[i]->ptr, views[i]->len);
        views[i]->ptr = at;
        at += views[i]->len;
    }
    job->magic = AUTHN_JOB_MAGIC;
    job->home = router->shard->id;
    job->conn = conn;
    job->asked = copy;
    job->set = authn_set_ref(router->authn);
    return job;
}

static void authn_job_free(struct authn_job *job)
{
    CHECK_OBJ(job, AUTHN_JOB_MAGIC);
    if (job->exchange != NULL)
        job->exchange_free(job->exchange);
    identity_destroy(job->identity);
    authn_set_unref(job->set);
    digest_wipe((void *)(uintptr_t)job->asked.password.ptr, job->asked.password.len);
    digest_wipe((void *)(uintptr_t)job->asked.data.ptr, job->asked.data.len);
    job->magic = 0;
    mem_free(job);
}

void authn_drop(struct authn_job *job)
{
    if (job == NULL)
        return;
    CHECK_OBJ(job, AUTHN_JOB_MAGIC);
    if (job->is_away)
        __atomic_store_n(&job->cancelled, 1, __ATOMIC_RELEASE);
    else
        authn_job_free(job);
}

void authn_drop_job(const struct mail *mail)
{
    authn_job_free(mail->ptr);
}

struct authn_job *authn_take(struct router *router, const struct mail *mail)
{
    struct authn_job *job = mail->ptr;
    CHECK_OBJ(job, AUTHN_JOB_MAGIC);
    CHECK(job->is_away && job->home == router->shard->id && router->authn_away > 0);
    router->authn_away--;
    job->is_away = false;
    if (!__atomic_load_n(&job->cancelled, __ATOMIC_ACQUIRE))
        return job;
    authn_job_free(job);
    return NULL;
}

enum authn_verdict authn_allow(struct authn_job *job, const struct identity_draft *draft)
{
    struct identity_draft full = *draft;
    if (full.username.ptr == NULL)
        full.username = job->asked.username;
    full.cert_common_name = job->asked.cert_common_name;
    full.cert_subject = job->asked.cert_subject;
    if (identity_is_plain(&full))
        return AUTHN_ALLOW;
    CHECK(job->identity == NULL);
    job->identity = identity_create(&full);
    if (job->identity != NULL)
        return AUTHN_ALLOW;
    job->reason = REASON_SERVER_BUSY;
    return AUTHN_DENY;
}

/* Sends the job to where its step runs. False: too many are away already. */
static bool authn_send(struct router *router, struct authn_job *job, enum authn_place place)
{
    const struct route_shared *shared = router->shared;
    if (router->authn_away >= shared->authn_away_max)
        return false;
    shard_id to = shared->authn_helper;
    if (place == AUTHN_ON_WORKER)
        to = (shard_id)(shared->authn_workers_first +
                        router->authn_next++ % shared->authn_workers_num);
    router->authn_away++;
    job->is_away = true;
    struct mail mail = {.kind = MAIL_AUTHN_RUN, .ptr = job};
    shard_mail(router->shard, to, MAIL_CONTROL, &mail);
    return true;
}

/* Can a step at that place be asked at all? Without workers or helper it cannot. */
static bool authn_reaches(const struct router *router, enum authn_place place)
{
    return place == AUTHN_ON_SHARD ||
           (place == AUTHN_ON_WORKER && router->shared->authn_workers_num > 0) ||
           (place == AUTHN_ON_HELPER && router->shared->authn_helper != SHARD_NONE);
}

static bool authn_step_is_for(const struct authn_step *step, const struct authn_asked *asked)
{
    bool has_method = asked->method.ptr != NULL;
    if (step->ops->concerns != NULL && !step->ops->concerns(step, asked))
        return false;
    if (step->ops->takes_method == NULL)
        return !has_method;
    return has_method && step->ops->takes_method(step, asked->method);
}

static enum authn_state authn_refuse(struct router *router, enum reason reason,
                                     struct authn_outcome *out)
{
    router_count(router, STAT_AUTHN_FAILURE, 1);
    *out = (struct authn_outcome){.reason = reason};
    return AUTHN_DONE;
}

/* What a client is told that no step has let in. */
static enum reason authn_no(const struct authn_asked *asked)
{
    return asked->username.ptr != NULL || asked->password.ptr != NULL || asked->data.ptr != NULL
               ? REASON_BAD_USERNAME_OR_PASSWORD
               : REASON_NOT_AUTHORIZED;
}

static enum authn_state authn_end(struct router *router, struct authn_job *job,
                                  struct authn_outcome *out)
{
    if (job->verdict == AUTHN_DENY)
        return authn_refuse(
            router, job->reason != REASON_SUCCESS ? job->reason : authn_no(&job->asked), out);
    router_count(router, STAT_AUTHN_SUCCESS, 1);
    *out = (struct authn_outcome){.reason = REASON_SUCCESS,
                                  .identity = job->identity,
                                  .answer = bytes_of(job->answer, job->answer_len)};
    job->identity = NULL;
    return AUTHN_DONE;
}

/* All have ignored. */
static enum authn_state authn_exhausted(struct router *router, const struct authn_job *job,
                                        bool met, struct authn_outcome *out)
{
    const struct authn_asked *asked = &job->asked;
    if (asked->method.ptr != NULL && !met)
        return authn_refuse(router, REASON_BAD_AUTHENTICATION_METHOD, out); /* [MQTT-4.12.0-1] */
    if (asked->username.ptr == NULL && asked->method.ptr == NULL &&
        authn_set_allows_anonymous(job->set)) {
        router_count(router, STAT_AUTHN_SUCCESS, 1);
        router_count(router, STAT_AUTHN_ANONYMOUS, 1);
        *out = (struct authn_outcome){.reason = REASON_SUCCESS};
        return AUTHN_DONE;
    }
    return authn_refuse(router, authn_no(asked), out);
}

/* From the job's step on, until there is an outcome or somebody else has to be asked. */
static enum authn_state authn_run(struct router *router, struct authn_job *job,
                                  struct authn_outcome *out)
{
    const struct authn_chain *chain = authn_set_chain(job->set, job->asked.listener_index);
    bool met = job->step > 0;
    for (; job->step < chain->num; job->step++) {
        const struct authn_step *step = chain->steps[job->step];
        if (!authn_step_is_for(step, &job->asked) || !authn_reaches(router, step->ops->place))
            continue;
        met = true;
        if (step->ops->place != AUTHN_ON_SHARD) {
            if (authn_send(router, job, step->ops->place))
                return AUTHN_AWAY;
            router_count(router, STAT_AUTHN_BUSY, 1);
            return authn_refuse(router, REASON_SERVER_BUSY, out);
        }
        job->verdict = step->ops->run(step, job);
        if (job->verdict == AUTHN_ASK) {
            *out = (struct authn_outcome){.answer = bytes_of(job->answer, job->answer_len)};
            return AUTHN_ASKING;
        }
        if (job->verdict != AUTHN_IGNORE)
            return authn_end(router, job, out);
    }
    return authn_exhausted(router, job, met, out);
}

/* Nobody is asked: the client is what it says, if it may be here at all. */
static enum authn_state authn_without_chain(struct router *router, const struct authn_asked *asked,
                                            struct authn_outcome *out)
{
    if (asked->method.ptr != NULL)
        return authn_refuse(router, REASON_BAD_AUTHENTICATION_METHOD, out);
    if (!authn_set_allows_anonymous(router->authn) && !identity_is_local(asked->address))
        return authn_refuse(router, REASON_NOT_AUTHORIZED, out);
    *out = (struct authn_outcome){.reason = REASON_SUCCESS};
    struct identity_draft draft = {.username = asked->username,
                                   .cert_common_name = asked->cert_common_name,
                                   .cert_subject = asked->cert_subject};
    if (!identity_is_plain(&draft)) {
        out->identity = identity_create(&draft);
        if (out->identity == NULL)
            return authn_refuse(router, REASON_SERVER_BUSY, out);
    }
    router_count(router, STAT_AUTHN_SUCCESS, 1);
    router_count(router, STAT_AUTHN_ANONYMOUS, 1);
    return AUTHN_DONE;
}

enum authn_state authn_begin(struct router *router, const struct authn_asked *asked,
                             struct handle conn, struct authn_job **out_job,
                             struct authn_outcome *out)
{
    SHARD_CHECK(router->shard);
    CHECK(asked->listener_index < AUTHN_LISTENERS_MAX && router->authn != NULL);
    *out_job = NULL;
    if (authn_set_chain(router->authn, asked->listener_index)->num == 0)
        return authn_without_chain(router, asked, out);
    struct authn_job *job = authn_job_create(router, asked, conn);
    if (job == NULL)
        return authn_refuse(router, REASON_SERVER_BUSY, out);
    *out_job = job;
    return authn_run(router, job, out);
}

enum authn_state authn_resume(struct router *router, struct authn_job *job,
                              struct authn_outcome *out)
{
    SHARD_CHECK(router->shard);
    CHECK_OBJ(job, AUTHN_JOB_MAGIC);
    CHECK(!job->is_away && job->verdict != AUTHN_ASK);
    if (job->verdict != AUTHN_IGNORE)
        return authn_end(router, job, out);
    job->step++;
    return authn_run(router, job, out);
}

enum authn_state authn_reply(struct router *router, struct authn_job *job, struct bytes data,
                             struct authn_outcome *out)
{
    SHARD_CHECK(router->shard);
    CHECK_OBJ(job, AUTHN_JOB_MAGIC);
    CHECK(!job->is_away && job->verdict == AUTHN_ASK && job->exchange != NULL);
    job->asked.data = data;
    job->answer_len = 0;
    enum authn_state state = authn_run(router, job, out);
    job->asked.data = bytes_of(NULL, 0);
    return state;
}

void authn_answer(struct mail_port *port, struct authn_job *job, enum authn_verdict verdict)
{
    CHECK_OBJ(job, AUTHN_JOB_MAGIC);
    job->verdict = verdict;
    struct mail mail = {.kind = MAIL_AUTHN_DONE, .ptr = job};
    mail_send(port, job->home, MAIL_CONFIRM, &mail);
}

void authn_work(struct mail_port *port, const struct mail *mail)
{
    if (mail->kind == MAIL_PASSWORD) {
        password_job_work(port, mail);
        return;
    }
    CHECK(mail->kind == MAIL_AUTHN_RUN);
    struct authn_job *job = mail->ptr;
    const struct authn_step *step = authn_job_step(job);
    CHECK(step->ops->place == AUTHN_ON_WORKER);
    /* The client may have gone while the job was waiting. */
    bool wanted = !__atomic_load_n(&job->cancelled, __ATOMIC_ACQUIRE);
    authn_answer(port, job, wanted ? step->ops->run(step, job) : AUTHN_IGNORE);
}

void authn_on_set(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    SHARD_CHECK(shard);
    authn_set_unref(router->authn);
    router->authn = mail->ptr;
    CHECK(router->authn != NULL);
    if (mail->count == 0)
        return;
    struct mail answer = {.kind = MAIL_AUTHN_TAKEN};
    shard_mail(shard, mail->from, MAIL_CONFIRM, &answer);
}

void authn_drop_set(const struct mail *mail)
{
    authn_set_unref(mail->ptr);
}
