/*
 * rc.h -- result codes of functions inside the broker.
 *
 * One table: name, whose fault, text. A function that can fail returns `enum rc`; its value and its
 * result never share a return. MQTT reason codes are another enumeration (net/reason_table.h, seen
 * by route as plain numbers in route/reason.h): what a peer is told is decided at the border, not
 * here.
 *
 * On anything but RC_OK the callee has changed nothing and the caller still owns what it passed,
 * unless the function's own comment says otherwise.
 *
 * Threads: any.
 */
#ifndef SLUICE_RC_H
#define SLUICE_RC_H

enum rc_fault { RC_FAULT_NONE, RC_FAULT_OURS, RC_FAULT_PEER, RC_FAULT_MACHINE };

#define RC_TABLE(X)                                                                                \
    X(RC_OK, NONE, "success")                                                                      \
    X(RC_MORE, NONE, "more input is needed")                                                       \
    X(RC_EXISTS, NONE, "exists already")                                                           \
    X(RC_NOT_FOUND, NONE, "not found")                                                             \
    X(RC_FULL, NONE, "a bound is reached")                                                         \
    X(RC_TOO_LARGE, PEER, "larger than allowed")                                                   \
    X(RC_INVALID, PEER, "not valid")                                                               \
    X(RC_DENIED, PEER, "not permitted")                                                            \
    X(RC_NO_MEMORY, MACHINE, "out of memory")                                                      \
    X(RC_IO, MACHINE, "input or output failed")                                                    \
    X(RC_UNSUPPORTED, MACHINE, "not supported here")

#define RC_ENUM(name, fault, text) name,
enum rc { RC_TABLE(RC_ENUM) RC_COUNT };
#undef RC_ENUM

/* Static text; never NULL for a valid code. */
const char *rc_text(enum rc code);
enum rc_fault rc_fault(enum rc code);

#endif
