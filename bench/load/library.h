/*
 * library.h -- the scenario files that come with the program.
 *
 * The files of bench/scenarios are part of the binary (embed.py writes library_data.c when it is
 * built), so that one file is all that has to be copied to another machine. So is the script of
 * `sluice-bench compare`.
 *
 * Threads: constants, any.
 */
#ifndef BENCH_LIBRARY_H
#define BENCH_LIBRARY_H

#include "check.h"

struct library_entry {
    const char *name; /* the file's, without its ending */
    const char *text;
};

/* Ascending by name; the one behind the last has no name. */
extern const struct library_entry library_entries[];

extern const char library_compare[];

/*
 * Becomes the Python interpreter that runs the script, which gets arguments 2 and further. Returns
 * only if there is none.
 */
void library_compare_exec(char *const argv[]);

/* The text of the entry, or NULL. */
const char *library_find(const char *name);

/*
 * The text of the entry of that name, or else of the file. To be freed by the caller. NULL: `error`
 * says why.
 */
char *library_load(const char *name, char *error, size_t error_len) MUST_USE;

/* Writes name and purpose of every entry. */
void library_list(void *file);

#endif
