/*
 * acl_file.c -- reads a file with access rules and chooses its reader; see acl_file.h.
 */
#include "acl_file.h"

#include "acl_source.h"
#include "file_read.h"
#include "utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool acl_file_begins(struct bytes line, const char *word)
{
    size_t len = strlen(word);
    return line.len > len && memcmp(line.ptr, word, len) == 0 &&
           (line.ptr[len] == ' ' || line.ptr[len] == '\t');
}

/* What the first line with a rule on it says. */
static enum acl_format acl_file_format(struct bytes text)
{
    while (text.len > 0) {
        const uint8_t *newline = memchr(text.ptr, '\n', text.len);
        uint32_t len = newline == NULL ? text.len : (uint32_t)(newline - text.ptr);
        struct bytes line = bytes_of(text.ptr, len);
        while (line.len > 0 && strchr(" \t\r", line.ptr[0]) != NULL)
            line = bytes_of(line.ptr + 1, line.len - 1);
        if (line.len > 0 && line.ptr[0] == '{')
            return ACL_FORMAT_EMQX;
        if (acl_file_begins(line, "user") || acl_file_begins(line, "topic") ||
            acl_file_begins(line, "pattern"))
            return ACL_FORMAT_MOSQUITTO;
        if (line.len > 0 && line.ptr[0] != '#' && line.ptr[0] != '%')
            return ACL_FORMAT_PLAIN;
        len += newline != NULL;
        text = bytes_of(text.ptr + len, text.len - len);
    }
    return ACL_FORMAT_PLAIN;
}

bool acl_file_read_text(struct acl_rules *rules, const char *name, struct bytes text,
                        enum acl_format format, struct error_list *errors)
{
    struct acl_source source = {.name = name,
                                .text = (const char *)text.ptr,
                                .len = text.len,
                                .line = 1,
                                .rules = rules,
                                .errors = errors};
    enum rc rc = acl_rules_file(rules, bytes_of_text(name), &source.file);
    if (rc == RC_FULL) {
        error_list_add(errors, "%s: more than %d files with access rules", name, ACL_FILES_MAX);
        return false;
    }
    if (rc != RC_OK)
        return acl_complain_rc(&source, rc);
    if (text.len > 0 && !utf8_check_data(text.ptr, text.len)) {
        error_list_add(errors, "%s: not a text in UTF-8", name);
        return false;
    }
    if (format == ACL_FORMAT_AUTO)
        format = acl_file_format(text);
    if (format == ACL_FORMAT_EMQX)
        acl_read_emqx(&source);
    else if (format == ACL_FORMAT_MOSQUITTO)
        acl_read_mosquitto(&source);
    else
        acl_read_plain(&source);
    return !source.failed;
}

bool acl_file_read(struct acl_rules *rules, const char *path, enum acl_format format,
                   struct error_list *errors)
{
    CHECK(rules != NULL && path != NULL && errors != NULL);
    size_t len = 0;
    char *text = file_read(path, ACL_FILE_LEN_MAX, &len);
    if (text == NULL) {
        if (errno == EFBIG)
            error_list_add(errors, "authorization.file: %s: too large", path);
        else
            error_list_add(errors, "authorization.file: %s: cannot be read: %s", path,
                           strerror(errno));
        return false;
    }
    bool good = acl_file_read_text(rules, path, bytes_of(text, len), format, errors);
    free(text);
    return good;
}
