/*
 * process_usage.c -- see process_usage.h.
 *
 * Threads: any.
 */
#include "process_usage.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The number of KiB behind `key` in a file of lines "Key:   123 kB". */
static bool process_usage_read(const char *path, const char *key, uint64_t *out_bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    char line[256];
    bool was_found = false;
    while (!was_found && fgets(line, sizeof(line), file) != NULL) {
        unsigned long long kib;
        size_t key_len = strlen(key);
        if (strncmp(line, key, key_len) != 0 || sscanf(line + key_len, " %llu kB", &kib) != 1)
            continue;
        *out_bytes = kib * 1024;
        was_found = true;
    }
    fclose(file);
    return was_found;
}

enum rc process_usage_resident(uint64_t pid, uint64_t *out_bytes)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%llu/smaps_rollup", (unsigned long long)pid);
    if (process_usage_read(path, "Rss:", out_bytes))
        return RC_OK;
    snprintf(path, sizeof(path), "/proc/%llu/status", (unsigned long long)pid);
    return process_usage_read(path, "VmRSS:", out_bytes) ? RC_OK : RC_NOT_FOUND;
}

enum rc process_usage_cpu(uint64_t pid, uint64_t *out_ns)
{
    char path[64];
    char line[1024];
    snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return RC_NOT_FOUND;
    size_t len = fread(line, 1, sizeof(line) - 1, file);
    fclose(file);
    line[len] = '\0';
    /* The name may hold anything, also parentheses: the last one ends it. */
    const char *at = strrchr(line, ')');
    unsigned long long user, system;
    /* From field 3 on; 14 and 15 are wanted. */
    if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                             &user, &system) != 2)
        return RC_NOT_FOUND;
    *out_ns = (user + system) * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
    return RC_OK;
}
