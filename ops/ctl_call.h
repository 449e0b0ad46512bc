/*
 * ctl_call.h -- what sluicectl asks a running broker over its control socket (control_socket.h).
 *
 * The socket is that of `--socket PATH`, or control.sock in the data directory: that of
 * `--data DIR`, or the usual one.
 *
 * Threads: one.
 */
#ifndef SLUICE_CTL_CALL_H
#define SLUICE_CTL_CALL_H

#include <jansson.h>

#include "check.h"

#define CTL_CALL_ANSWER_MAX (256 * 1024 * 1024)
#define CTL_CALL_WAIT_S     30

struct ctl_call {
    const char *name;   /* of the subcommand, for messages */
    const char *socket; /* NULL: by `data` */
    const char *data;   /* NULL: the usual directory */
};

/* Takes --socket and --data with its value. False: it is another option. */
MUST_USE bool ctl_call_option(struct ctl_call *call, const char *option, const char *value);

/*
 * Asks, and waits for the answer. `path` without /api/v5; `body` NULL for none. The status, with
 * *out_answer (may be NULL) for the caller to give back; 0 after saying on standard error what went
 * wrong, also if the broker refused.
 */
MUST_USE unsigned ctl_call(const struct ctl_call *call, const char *method, const char *path,
                           const json_t *body, json_t **out_answer);

/* `text` percent-encoded, for a part of a path; for the caller to free. */
MUST_USE char *ctl_call_encode(const char *text);

/*
 * All of a list, page by page: `visit` for each row. An exit code.
 */
MUST_USE int ctl_call_list(const struct ctl_call *call, const char *path, void *context,
                           void (*visit)(void *context, const json_t *row));

#endif
