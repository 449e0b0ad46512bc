/*
 * authn_password.c -- see authn_password.h.
 *
 * Threads: see authn_password.h; the count of decoys is the only thing that changes.
 */
#include "authn_password.h"

#include "alloc.h"
#include "password.h"

struct authn_password {
    struct authn_step step;
    struct user_table *users;
    enum authn_user_is user_is;
    const void *source;
};

static uint64_t authn_password_decoys_num;

uint64_t authn_password_decoys(void)
{
    return __atomic_load_n(&authn_password_decoys_num, __ATOMIC_RELAXED);
}

/* As long as for a user who exists, and the answer is always no. */
static void authn_password_decoy(const struct user_table *users, struct bytes name,
                                 struct bytes password)
{
    const char *form = user_table_decoy(users, name);
    if (form == NULL)
        return;
    bool matches = password_matches(form, password);
    (void)matches;
    __atomic_fetch_add(&authn_password_decoys_num, 1, __ATOMIC_RELAXED);
}

static struct bytes authn_password_name(const struct authn_password *self,
                                        const struct authn_asked *asked)
{
    return self->user_is == AUTHN_USER_IS_NAME ? asked->username : asked->client_id;
}

/* Who gives no password does not wait behind those whose passwords are being hashed. */
static bool authn_password_concerns(const struct authn_step *step, const struct authn_asked *asked)
{
    const struct authn_password *self = CONTAINER_OF(step, struct authn_password, step);
    return authn_password_name(self, asked).ptr != NULL && asked->password.ptr != NULL;
}

static enum authn_verdict authn_password_run(const struct authn_step *step, struct authn_job *job)
{
    const struct authn_password *self = CONTAINER_OF(step, struct authn_password, step);
    const struct authn_asked *asked = &job->asked;
    struct bytes name = authn_password_name(self, asked);
    if (!authn_password_concerns(step, asked))
        return AUTHN_IGNORE;
    const struct user *user = user_table_find(self->users, name);
    if (user == NULL || user->form == NULL) {
        authn_password_decoy(self->users, name, asked->password);
        return AUTHN_IGNORE;
    }
    if (!password_matches(user->form, asked->password))
        return AUTHN_DENY;
    struct identity_draft draft = {.is_superuser = user->is_superuser};
    return authn_allow(job, &draft);
}

static void authn_password_destroy(struct authn_step *step)
{
    struct authn_password *self = CONTAINER_OF(step, struct authn_password, step);
    user_table_unref(self->users);
    mem_free(self);
}

static const struct authn_step_ops authn_password_ops = {.name = "password",
                                                         .place = AUTHN_ON_WORKER,
                                                         .concerns = authn_password_concerns,
                                                         .run = authn_password_run,
                                                         .destroy = authn_password_destroy};

struct authn_step *authn_password_create(struct user_table *users, enum authn_user_is user_is,
                                         const void *source)
{
    CHECK(users != NULL);
    struct authn_password *self = alloc_zeroed(sizeof(*self));
    if (self == NULL)
        return NULL;
    self->step = (struct authn_step){.ops = &authn_password_ops, .refs = 1};
    self->users = users;
    self->user_is = user_is;
    self->source = source;
    return &self->step;
}

const void *authn_password_source(const struct authn_step *step)
{
    CHECK(step != NULL);
    if (step->ops != &authn_password_ops)
        return NULL;
    return CONTAINER_OF(step, struct authn_password, step)->source;
}

const struct user_table *authn_password_users(const struct authn_step *step)
{
    CHECK(step->ops == &authn_password_ops);
    return CONTAINER_OF(step, struct authn_password, step)->users;
}

struct authn_step *authn_password_with(const struct authn_step *step, struct user_table *users)
{
    CHECK(step->ops == &authn_password_ops);
    const struct authn_password *self = CONTAINER_OF(step, struct authn_password, step);
    return authn_password_create(users, self->user_is, self->source);
}
