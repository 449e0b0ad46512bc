/*
 * ban_file.c -- reading and writing bans as CSV; see ban_list.h.
 *
 * A row is split in place: quotes are taken away and fields end with a zero, so the text is copied
 * once. A row with an error is told and passed over, so that an operator sees all of them.
 */
#include "ban_list.h"
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "file_read.h"
#include "rfc3339.h"

enum ban_column { BAN_AS, BAN_WHO, BAN_REASON, BAN_AT, BAN_UNTIL, BAN_BY, BAN_COLUMNS };

#define BAN_HEADER "as,who,reason,at,until,by"

static const char *const ban_columns[BAN_COLUMNS] = {"as", "who", "reason", "at", "until", "by"};

struct ban_reader {
    const char *name;
    char *at; /* what is left */
    unsigned line;
    struct error_list *errors;
    bool right;
};

__attribute__((format(printf, 2, 3))) static void ban_refuse(struct ban_reader *reader,
                                                             const char *format, ...)
{
    char text[ERROR_TEXT_LEN_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    error_list_add(reader->errors, "%s:%u: %s", reader->name, reader->line, text);
    reader->right = false;
}

/* One field in place; moves behind it and its end. True: the row goes on. */
static bool ban_field(struct ban_reader *reader, char **out)
{
    char *from = reader->at;
    char *to = reader->at;
    *out = to;
    if (*from == '"') {
        for (from++; *from != '\0'; from++) {
            if (*from == '"' && *++from != '"')
                break;
            reader->line += *from == '\n';
            *to++ = *from;
        }
    }
    while (*from != '\0' && *from != ',' && *from != '\n')
        *to++ = *from++;
    char end = *from;
    reader->at = end == '\0' ? from : from + 1;
    if (end != ',' && to > *out && to[-1] == '\r')
        to--;
    *to = '\0';
    return end == ',';
}

/* Splits a row. How many fields; more than BAN_COLUMNS are counted but not kept. */
static unsigned ban_row(struct ban_reader *reader, char **out_fields)
{
    unsigned num = 0;
    bool more = true;
    while (more) {
        char *field = NULL;
        more = ban_field(reader, &field);
        if (num < BAN_COLUMNS)
            out_fields[num] = field;
        num++;
    }
    return num;
}

/* Which column of the file is which: `out_order[i]` is what field i of a row means. */
static bool ban_header(struct ban_reader *reader, unsigned *out_num, enum ban_column *out_order)
{
    char *fields[BAN_COLUMNS];
    unsigned seen = 0;
    *out_num = ban_row(reader, fields);
    if (*out_num > BAN_COLUMNS) {
        ban_refuse(reader, "there are only the columns " BAN_HEADER);
        return false;
    }
    for (unsigned i = 0; i < *out_num; i++) {
        unsigned column = 0;
        while (column < BAN_COLUMNS && strcmp(ban_columns[column], fields[i]) != 0)
            column++;
        char quote[ERROR_QUOTE_LEN_MAX + 1];
        if (column == BAN_COLUMNS || (seen & (1u << column)) != 0) {
            ban_refuse(reader, "\"%s\" is not a column, or twice; they are " BAN_HEADER,
                       error_list_quote(fields[i], quote));
            return false;
        }
        seen |= 1u << column;
        out_order[i] = (enum ban_column)column;
    }
    if ((seen & 3u) != 3u) {
        ban_refuse(reader, "the columns `as` and `who` are needed");
        return false;
    }
    return true;
}

static bool ban_time(struct ban_reader *reader, const char *text, uint64_t otherwise,
                     uint64_t *out_s)
{
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    *out_s = otherwise;
    if (text[0] == '\0')
        return true;
    if (strcmp(text, "infinity") == 0) {
        *out_s = BAN_NEVER_S;
        return true;
    }
    if (rfc3339_parse(text, out_s))
        return true;
    ban_refuse(reader, "\"%s\" is not a moment such as 2026-01-31T12:00:00Z, nor infinity",
               error_list_quote(text, quote));
    return false;
}

static void ban_take_row(struct ban_list *list, struct ban_reader *reader, char *const *values,
                         uint64_t now_s)
{
    char quote[ERROR_QUOTE_LEN_MAX + 1];
    char why[BAN_WHY_LEN_MAX + 1] = "";
    struct ban ban = {.kind = ban_kind_find(values[BAN_AS]),
                      .who = values[BAN_WHO],
                      .reason = values[BAN_REASON],
                      .by = values[BAN_BY]};
    if (ban.kind == BAN_KIND_COUNT) {
        ban_refuse(reader,
                   "\"%s\" is not one of clientid, username, peerhost, peerhost_net, "
                   "clientid_re, username_re",
                   error_list_quote(values[BAN_AS], quote));
        return;
    }
    if (!ban_time(reader, values[BAN_AT], now_s, &ban.at_s) ||
        !ban_time(reader, values[BAN_UNTIL], BAN_NEVER_S, &ban.until_s) || ban.until_s <= now_s)
        return;
    enum rc rc = ban_list_add(list, &ban, why);
    if (rc != RC_OK)
        ban_refuse(reader, "%s \"%s\": %s", ban_kind_name(ban.kind),
                   error_list_quote(ban.who, quote), rc == RC_INVALID ? why : rc_text(rc));
}

static bool ban_read_rows(struct ban_list *list, struct ban_reader *reader, uint64_t now_s)
{
    static char empty[1];
    enum ban_column order[BAN_COLUMNS];
    char *fields[BAN_COLUMNS];
    unsigned num_columns = 0;
    reader->line = 1;
    if (!ban_header(reader, &num_columns, order))
        return false;
    while (*reader->at != '\0') {
        char *values[BAN_COLUMNS] = {empty, empty, empty, empty, empty, empty};
        reader->line++;
        unsigned num = ban_row(reader, fields);
        if (num == 1 && fields[0][0] == '\0')
            continue; /* an empty line */
        if (num != num_columns) {
            ban_refuse(reader, "%u %s, but the first line names %u", num,
                       log_noun(num, "field", "fields"), num_columns);
            continue;
        }
        for (unsigned i = 0; i < num; i++)
            values[order[i]] = fields[i];
        ban_take_row(list, reader, values, now_s);
    }
    return reader->right;
}

bool ban_list_read(struct ban_list *list, const char *name, const char *text, size_t len,
                   uint64_t now_s, struct error_list *errors)
{
    CHECK(list != NULL && name != NULL && text != NULL && errors != NULL);
    struct ban_reader reader = {.name = name, .line = 1, .errors = errors, .right = true};
    if (memchr(text, '\0', len) != NULL) {
        ban_refuse(&reader, "there is a zero byte in the file");
        return false;
    }
    char *copy = malloc(len + 1);
    if (copy == NULL) {
        ban_refuse(&reader, "%s", rc_text(RC_NO_MEMORY));
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    reader.at = copy;
    bool right = ban_read_rows(list, &reader, now_s);
    free(copy);
    return right;
}

bool ban_list_read_file(struct ban_list *list, const char *path, uint64_t now_s,
                        struct error_list *errors)
{
    size_t len = 0;
    char *text = file_read(path, BAN_FILE_LEN_MAX, &len);
    if (text == NULL) {
        error_list_add(errors, "%s: cannot read the file: %s", path, strerror(errno));
        return false;
    }
    bool right = ban_list_read(list, path, text, len, now_s, errors);
    free(text);
    return right;
}

static void ban_write_field(const char *text, const char *end, FILE *out)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fprintf(out, "%s%s", text, end);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fprintf(out, "\"%s", end);
}

void ban_list_write(const struct ban_list *list, FILE *out)
{
    fprintf(out, BAN_HEADER "\n");
    for (uint32_t i = 0; i < list->num; i++) {
        const struct ban *ban = &list->items[i];
        char at[RFC3339_LEN_MAX + 1];
        char until[RFC3339_LEN_MAX + 1];
        ban_write_field(ban_kind_name(ban->kind), ",", out);
        ban_write_field(ban->who, ",", out);
        ban_write_field(ban->reason, ",", out);
        fprintf(out, "%s,", rfc3339_format(ban->at_s, at));
        fprintf(out, "%s,",
                ban->until_s == BAN_NEVER_S ? "infinity" : rfc3339_format(ban->until_s, until));
        ban_write_field(ban->by, "\n", out);
    }
}
