/*
 * check.h -- the assertion words of the whole process.
 *
 * Four words for four meanings, so that a reader knows who is to blame:
 *
 *   CHECK(cond)         a programmer's error: state, bounds, ownership, thread. Always compiled in;
 *                       a failure prints file, line and condition and aborts. Nothing that comes
 *                       from a socket, a file or a clock may ever decide such a condition.
 *   CHECK_SLOW(cond)    the same, but too costly for every turn: only in debug builds.
 *   CHECK_OBJ(p, MAGIC) `p` is not NULL and carries the magic of its type (first member `magic`).
 *   UNREACHABLE()       control flow that the code above has made impossible.
 *
 * STATIC_CHECK ties two constants together at compile time.
 * Errors of peers and of the machine are never assertions: they are result codes (rc.h).
 *
 * Threads: any.
 */
#ifndef SLUICE_CHECK_H
#define SLUICE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void check_failed(const char *file, int line, const char *condition);

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (UNLIKELY(!(cond)))                                                                     \
            check_failed(__FILE__, __LINE__, #cond);                                               \
    } while (0)

#ifdef SLUICE_SLOW_CHECKS
#define CHECK_SLOW(cond) CHECK(cond)
#else
#define CHECK_SLOW(cond) ((void)sizeof(cond))
#endif

#define CHECK_OBJ(ptr, magic_value) CHECK((ptr) != NULL && (ptr)->magic == (magic_value))

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

#define STATIC_CHECK(cond, text) _Static_assert(cond, text)

#define MUST_USE __attribute__((warn_unused_result))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that contains `member`; the caller knows that it does. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
