/*
 * process_memory.c -- see process_memory.h.
 *
 * Threads: any.
 */
#include "process_memory.h"

#include <stdio.h>
#include <string.h>

/* The number of KiB behind `key` in a file of lines "Key:   123 kB". */
static bool process_memory_read(const char *path, const char *key, uint64_t *out_bytes)
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

enum rc process_memory_resident(uint64_t pid, uint64_t *out_bytes)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%llu/smaps_rollup", (unsigned long long)pid);
    if (process_memory_read(path, "Rss:", out_bytes))
        return RC_OK;
    snprintf(path, sizeof(path), "/proc/%llu/status", (unsigned long long)pid);
    return process_memory_read(path, "VmRSS:", out_bytes) ? RC_OK : RC_NOT_FOUND;
}
