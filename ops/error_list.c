/*
 * error_list.c -- keeping messages about what an operator wrote.
 *
 * Each message is formatted straight into its slot. What an operator wrote is quoted in messages,
 * so the text is made harmless: control characters become `?`, and a text that was cut loses the
 * bytes of a UTF-8 character that is no longer whole.
 */
#include "error_list.h"

#include "check.h"

#include <stdarg.h>
#include <string.h>

void error_list_init(struct error_list *list)
{
    CHECK(list != NULL);
    list->num = 0;
    list->extra = 0;
}

/* Removes a UTF-8 character at the end of `text` that the cut at `len` bytes left incomplete. */
static void error_list_trim(char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 4) {
        start--;
        unsigned char c = (unsigned char)text[start];
        if ((c & 0xC0) == 0x80)
            continue;
        size_t whole = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        if (len - start < whole)
            text[start] = '\0';
        return;
    }
}

void error_list_add(struct error_list *list, const char *format, ...)
{
    CHECK(list != NULL && format != NULL);
    CHECK(list->num <= ERROR_LIST_MAX);
    if (list->num == ERROR_LIST_MAX) {
        list->extra++;
        return;
    }
    char *text = list->texts[list->num++];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, ERROR_TEXT_LEN_MAX + 1, format, args);
    va_end(args);
    if (len < 0)
        text[0] = '\0';
    else if (len > ERROR_TEXT_LEN_MAX)
        error_list_trim(text, ERROR_TEXT_LEN_MAX);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    }
}

const char *error_list_quote(const char *text, char *out)
{
    CHECK(text != NULL && out != NULL);
    static const char more[] = "...";
    size_t len = strnlen(text, ERROR_QUOTE_LEN_MAX + 1);
    if (len <= ERROR_QUOTE_LEN_MAX) {
        memcpy(out, text, len + 1);
        return out;
    }
    len = ERROR_QUOTE_LEN_MAX + 1 - sizeof(more);
    memcpy(out, text, len);
    out[len] = '\0';
    error_list_trim(out, len);
    memcpy(out + strlen(out), more, sizeof(more));
    return out;
}

bool error_list_is_empty(const struct error_list *list)
{
    CHECK(list != NULL);
    return list->num == 0;
}

void error_list_print(const struct error_list *list, const char *prefix, FILE *out)
{
    CHECK(list != NULL && prefix != NULL && out != NULL);
    for (uint32_t i = 0; i < list->num; i++)
        fprintf(out, "%s%s\n", prefix, list->texts[i]);
    if (list->extra > 0)
        fprintf(out, "%sand %u more error%s\n", prefix, list->extra, list->extra == 1 ? "" : "s");
}
