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

struct authn_step *authn_password_create(struct user_table *users, enum authn_user_is user_is)
{
    static const struct authn_step_ops ops = {.name = "password",
                                              .place = AUTHN_ON_WORKER,
                                              .concerns = authn_password_concerns,
                                              .run = authn_password_run,
                                              .destroy = authn_password_destroy};
    CHECK(users != NULL);
    struct authn_password *self = alloc_zeroed(sizeof(*self));
    if (self == NULL)
        return NULL;
    self->step = (struct authn_step){.ops = &ops, .refs = 1};
    self->users = users;
    self->user_is = user_is;
    return &self->step;
}
