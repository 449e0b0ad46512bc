/*
 * logger.c -- see logger.h.
 * Threads: see logger.h.
 */
#include "logger.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOGGER_LINE_MAX (LOG_TEXT_MAX * 6 + 160) /* every byte as \u00XX, and the frame */

static size_t logger_time(uint64_t wall_ms, char *out, size_t size)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &parts);
    return len + (size_t)snprintf(out + len, size - len, ".%03uZ", (unsigned)(wall_ms % 1000));
}

static size_t logger_json_text(const char *text, size_t len, char *out)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20) {
            static const char digits[] = "0123456789abcdef";
            memcpy(out + at, "\\u00", 4);
            out[at + 4] = digits[c >> 4];
            out[at + 5] = digits[c & 15];
            at += 6;
        } else {
            out[at++] = (char)c;
        }
    }
    return at;
}

void logger_write(const struct log_record *record, bool json)
{
    char line[LOGGER_LINE_MAX];
    char when[40];
    char source[24] = "";
    logger_time(record->wall_ms, when, sizeof(when));
    const char *level = log_level_name((enum log_level)record->level);
    size_t len;
    if (json) {
        if (record->source != SHARD_NONE)
            snprintf(source, sizeof(source), "\"shard\":%u,", record->source);
        len = (size_t)snprintf(line, sizeof(line),
                               "{\"time\":\"%s\",\"level\":\"%s\",%s\"message\":\"", when, level,
                               source);
        len += logger_json_text(record->text, record->text_len, line + len);
        memcpy(line + len, "\"}\n", 3);
        len += 3;
    } else {
        if (record->source != SHARD_NONE)
            snprintf(source, sizeof(source), "shard %u: ", record->source);
        len = (size_t)snprintf(line, sizeof(line), "%s %-7s %s%.*s\n", when, level, source,
                               (int)record->text_len, record->text);
    }
    CHECK(len <= sizeof(line));
    ssize_t done = write(STDERR_FILENO, line, len);
    (void)done;
}

bool logger_is_json(enum config_log_format format)
{
    if (format == CONFIG_LOG_AUTO)
        return isatty(STDERR_FILENO) == 0;
    return format == CONFIG_LOG_JSON;
}

uint64_t logger_drain(struct log_ring *ring, bool json)
{
    struct log_record record;
    while (log_take(ring, &record))
        logger_write(&record, json);
    return log_lost_take(ring);
}
