/*
 * authn.h -- is the client who it says it is: a chain of steps between CONNECT and the session.
 *
 *   CONNECT --> authn_begin --> step, step, ... --> outcome --> session_attach, or a refusal
 *
 * A step answers ALLOW or DENY, which ends the chain, or IGNORE: not for me to say. When all have
 * ignored, or a client without a chain comes from elsewhere than this machine, the answer is no,
 * except that allow_anonymous lets in whom no step has asked for anything: a client without user
 * name and method. A client that gave credentials and is refused is told 0x86, whether the user
 * exists or not; one that gave none 0x87.
 *
 * A shard never waits. Each kind of step has a place where it runs:
 *
 *   AUTHN_ON_SHARD    at once: microseconds
 *   AUTHN_ON_WORKER   on a thread for slow computations: hashing
 *   AUTHN_ON_HELPER   through a process that speaks to the outside
 *
 * The credentials are copied into a job, which goes by mail (MAIL_AUTHN_RUN) to where the next step
 * runs and comes back (MAIL_AUTHN_DONE) with its verdict. Meanwhile the job belongs to whoever has
 * it, and the shard may only say that nobody waits any more (authn_drop): then it is freed where it
 * next turns up. How many of one shard's jobs are away is bounded; over it the client is told 0x89.
 *
 * A step may also need another word from the client (SCRAM): then the shard keeps the job and gives
 * it the client's AUTH (authn_reply).
 *
 * Which steps there are is an immutable set, replaced as a whole (MAIL_AUTHN_SET); a job keeps the
 * set with which it began.
 *
 * Bounds: AUTHN_STEPS_MAX steps in a chain; a chain for all listeners and one of its own for each.
 *
 * Threads: a set and its steps: any, read-only and counted. A job: see above. The rest: the shard.
 */
#ifndef SLUICE_AUTHN_H
#define SLUICE_AUTHN_H

#include "identity.h"
#include "reason.h"
#include "types.h"

#define AUTHN_JOB_MAGIC     0x41554a42u
#define AUTHN_STEPS_MAX     8
#define AUTHN_LISTENERS_MAX 64

/* The longest data that an AUTH packet of ours carries: a SCRAM message. */
#define AUTHN_ANSWER_MAX 1024

struct authn_asked;
struct authn_job;
struct authn_set;
struct authn_step;
struct mail;
struct router;
struct shard;

enum authn_place { AUTHN_ON_SHARD, AUTHN_ON_WORKER, AUTHN_ON_HELPER };

/* ASK: job->answer goes to the client in an AUTH packet, and its AUTH comes to the same step. */
enum authn_verdict { AUTHN_IGNORE, AUTHN_ALLOW, AUTHN_DENY, AUTHN_ASK };

/* What a kind of step can do; a value. */
struct authn_step_ops {
    const char *name;
    enum authn_place place;
    /* Is it for clients with that method (MQTT 5 AUTH)? NULL: for clients without any. */
    bool (*takes_method)(const struct authn_step *step, struct bytes method);
    /* May it have anything to say about that client? If not it is not gone to. NULL: always. */
    bool (*concerns)(const struct authn_step *step, const struct authn_asked *asked);
    /* Where its place is. NULL for steps of the helper, who knows them by their ops. */
    enum authn_verdict (*run)(const struct authn_step *step, struct authn_job *job);
    void (*destroy)(struct authn_step *step);
};

/* The head of every step; the rest is its kind's. */
struct authn_step {
    const struct authn_step_ops *ops; /* [I] */
    uint32_t refs;                    /* [A] */
};

/* What a client says of itself; a value with views. Optional texts have ptr NULL. */
struct authn_asked {
    struct bytes client_id;
    struct bytes username;
    struct bytes password;
    struct bytes method; /* of enhanced authentication */
    struct bytes data;
    struct bytes cert_common_name; /* of a certificate that the listener has verified */
    struct bytes cert_subject;
    struct bytes listener; /* its name */
    uint16_t listener_index;
    uint16_t port;
    uint8_t address[16]; /* as in struct client_identity */
    uint8_t version;     /* enum mqtt_version */
};

struct authn_job {
    uint32_t magic;             /* [I] */
    shard_id home;              /* [I] */
    bool is_away;               /* [O] with a worker or the helper */
    uint32_t cancelled;         /* [A] nobody waits for the answer */
    struct handle conn;         /* [I] */
    struct authn_set *set;      /* [I] counted */
    uint32_t step;              /* [M] index in the chain */
    enum authn_verdict verdict; /* [M] of the step */
    enum reason reason;         /* [M] why not, if the step says; else REASON_SUCCESS */
    struct authn_asked asked;   /* [I] its views point behind this structure */
    struct identity *identity;  /* [M] of whom a step has allowed; may be NULL for a plain client */
    void *exchange;             /* [O] what a step remembers between two words of the client */
    void (*exchange_free)(void *exchange); /* [O] */
    uint32_t answer_len;                   /* [M] */
    uint8_t answer[AUTHN_ANSWER_MAX];      /* [M] authentication data for the client */
};

/* How far it has come. */
enum authn_state {
    AUTHN_DONE,   /* outcome: success with an identity to take over, or the reason to refuse */
    AUTHN_AWAY,   /* MAIL_AUTHN_DONE will come */
    AUTHN_ASKING, /* outcome.answer goes to the client */
};

/* What has come of it, a value. */
struct authn_outcome {
    enum reason reason;
    struct identity *identity; /* the receiver's from now on; NULL: plain */
    struct bytes answer;       /* authentication data; lives as long as the job */
};

/* ---- the shard's side ---- */

/*
 * A CONNECT has come. With AUTHN_AWAY and AUTHN_ASKING, and if *out_job is not NULL, the caller has
 * a job, to be given back with authn_drop.
 */
MUST_USE enum authn_state authn_begin(struct router *router, const struct authn_asked *asked,
                                      struct handle conn, struct authn_job **out_job,
                                      struct authn_outcome *out);

/* A job has come back for a connection that still waits. */
MUST_USE enum authn_state authn_resume(struct router *router, struct authn_job *job,
                                       struct authn_outcome *out);

/* The client's AUTH packet, for a job that asked for it. */
MUST_USE enum authn_state authn_reply(struct router *router, struct authn_job *job,
                                      struct bytes data, struct authn_outcome *out);

/* Nobody waits for the job any more: frees it, now or when it comes back. NULL is allowed. */
void authn_drop(struct authn_job *job);

/* A job that came back to a shard (counted there): the first thing to call. */
struct authn_job *authn_take(struct router *router, const struct mail *mail);

/* Mail: a new set for this shard; and what is left in the mesh when the process ends. */
void authn_on_set(struct shard *shard, const struct mail *mail);
void authn_drop_set(const struct mail *mail);
void authn_drop_job(const struct mail *mail);

/* ---- the side of workers and helper ---- */

/* A worker's mail: runs the steps that are for workers, makes passwords, and sends them back. */
struct mail_port;
void authn_work(struct mail_port *port, const struct mail *mail);

/* Sends a job home with the verdict of its step. */
void authn_answer(struct mail_port *port, struct authn_job *job, enum authn_verdict verdict);

/* For steps: allows, keeping what `draft` says. The user name, if it says none, is the asked. */
enum authn_verdict authn_allow(struct authn_job *job, const struct identity_draft *draft);

/* The step at which the job is. */
const struct authn_step *authn_job_step(const struct authn_job *job);

/* ---- sets ---- */

/* NULL without memory. The creator has one reference. */
MUST_USE struct authn_set *authn_set_create(bool allow_anonymous);
struct authn_set *authn_set_ref(struct authn_set *set);
void authn_set_unref(struct authn_set *set);

/* The chain of all listeners without one of their own. */
#define AUTHN_ALL_LISTENERS AUTHN_LISTENERS_MAX

/* Appends a step to a chain, taking over the reference. RC_FULL: the chain is as long as it may. */
MUST_USE enum rc authn_set_add(struct authn_set *set, unsigned listener, struct authn_step *step);

/* A set in which `old` is replaced by `fresh` (one reference taken over). NULL without memory. */
MUST_USE struct authn_set *authn_set_with(const struct authn_set *set, const struct authn_step *old,
                                          struct authn_step *fresh);

struct authn_step *authn_step_ref(struct authn_step *step);
void authn_step_unref(struct authn_step *step);

/* The steps of all chains one by one, from *cursor = 0; NULL at the end. */
const struct authn_step *authn_set_next(const struct authn_set *set, uint32_t *cursor);

#endif
