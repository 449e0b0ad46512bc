/*
 * ctl_passwd.c -- sluicectl passwd: users of a password file.
 *
 * A line is `name:stored form`, with `:superuser` behind it for whom no permission is asked
 * (route/user_table.h). A user has at most one line for passwords and one for each SCRAM mechanism;
 * adding replaces the line of the same kind and leaves every other byte of the file as it is. The
 * new file is written beside the old one, with its mode (0600 for a new one), synced, and put in
 * its place by rename, so that a broker that reloads sees one or the other.
 *
 * The password comes from the command line (-b), from the terminal without echo and twice, or from
 * standard input's first line.
 *
 * Threads: one.
 */
#include "ctl.h"

#include "ctl_password.h"
#include "file_read.h"
#include "password.h"
#include "scram_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CTL_FILE_MAX (64L * 1024 * 1024)
#define CTL_PATH_MAX 4096

/* What the line of a user holds. */
enum ctl_line { CTL_LINE_PASSWORD, CTL_LINE_SCRAM_FIRST };

struct ctl_passwd {
    const char *file;
    const char *user;
    const char *password; /* NULL: ask */
    const char *algorithm;
    bool deletes;
    bool is_superuser;
    unsigned kind; /* CTL_LINE_PASSWORD, or CTL_LINE_SCRAM_FIRST + mechanism */
};

static int ctl_passwd_say(const char *what, const char *detail)
{
    fprintf(stderr, "sluicectl passwd: %s%s%s\n", what, detail[0] != '\0' ? ": " : "", detail);
    return CTL_FAILED;
}

/* The password into `out` (CTL_PASSWORD_MAX + 1 bytes). */
static int ctl_passwd_ask(const struct ctl_passwd *passwd, char *out)
{
    if (passwd->password != NULL) {
        if (strlen(passwd->password) > CTL_PASSWORD_MAX)
            return ctl_passwd_say("the password is too long", "");
        memcpy(out, passwd->password, strlen(passwd->password) + 1);
        return EXIT_SUCCESS;
    }
    return ctl_password_ask("passwd", out) ? EXIT_SUCCESS : CTL_FAILED;
}

/* The stored form of the password into `out` (PASSWORD_FORM_LEN_MAX + 1 bytes). */
static int ctl_passwd_form(const struct ctl_passwd *passwd, char *out)
{
    char password[CTL_PASSWORD_MAX + 1];
    int code = ctl_passwd_ask(passwd, password);
    if (code != EXIT_SUCCESS)
        return code;
    enum rc rc;
    struct bytes secret = bytes_of_text(password);
    if (passwd->kind == CTL_LINE_PASSWORD) {
        enum password_algorithm algorithm = PASSWORD_ARGON2ID;
        bool known = password_find(passwd->algorithm, &algorithm);
        CHECK(known);
        rc = password_make(algorithm, secret, out);
    } else {
        struct scram_keys keys;
        enum scram_mechanism mechanism = (enum scram_mechanism)(passwd->kind -
                                                                CTL_LINE_SCRAM_FIRST);
        rc = scram_keys_make(mechanism, secret, SCRAM_ROUNDS, &keys);
        if (rc == RC_OK)
            scram_keys_write(mechanism, &keys, out);
    }
    digest_wipe(password, sizeof(password));
    return rc == RC_OK ? EXIT_SUCCESS
                       : ctl_passwd_say("the password cannot be stored", rc_text(rc));
}

/* The whole file, zero-terminated, for the caller to free; "" if there is none. */
static char *ctl_passwd_read(const char *path, mode_t *out_mode)
{
    struct stat status;
    size_t len;
    *out_mode = stat(path, &status) == 0 ? status.st_mode & 07777 : 0600;
    char *text = file_read(path, CTL_FILE_MAX, &len);
    return text == NULL && errno == ENOENT ? strdup("") : text;
}

/* Is the line of this user and kind? */
static bool ctl_passwd_is_line(const struct ctl_passwd *passwd, const char *line, size_t len)
{
    size_t name_len = strlen(passwd->user);
    if (len <= name_len || line[name_len] != ':' || memcmp(line, passwd->user, name_len) != 0)
        return false;
    if (passwd->deletes)
        return true;
    char form[PASSWORD_FORM_LEN_MAX + 1];
    snprintf(form, sizeof(form), "%.*s", (int)(len - name_len - 1), line + name_len + 1);
    enum scram_mechanism mechanism;
    unsigned kind = CTL_LINE_PASSWORD;
    if (scram_keys_kind(form, &mechanism))
        kind = CTL_LINE_SCRAM_FIRST + mechanism;
    return kind == passwd->kind;
}

/* Writes `text` with the user's line (`form`, NULL: none) in the place of the old. */
static bool ctl_passwd_print(const struct ctl_passwd *passwd, const char *text, const char *form,
                             FILE *out, bool *out_found)
{
    *out_found = false;
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        bool is_mine = ctl_passwd_is_line(passwd, line, len);
        if (!is_mine)
            fprintf(out, "%.*s\n", (int)len, line);
        else if (form != NULL && !*out_found)
            fprintf(out, "%s:%s%s\n", passwd->user, form, passwd->is_superuser ? ":superuser" : "");
        *out_found |= is_mine;
        line += len + (line[len] == '\n');
    }
    if (form != NULL && !*out_found)
        fprintf(out, "%s:%s%s\n", passwd->user, form, passwd->is_superuser ? ":superuser" : "");
    return fflush(out) == 0 && fsync(fileno(out)) == 0;
}

static int ctl_passwd_change(const struct ctl_passwd *passwd, const char *form)
{
    char path[CTL_PATH_MAX];
    mode_t mode;
    if (snprintf(path, sizeof(path), "%s.new", passwd->file) >= (int)sizeof(path))
        return ctl_passwd_say("the name of the file is too long", "");
    char *text = ctl_passwd_read(passwd->file, &mode);
    if (text == NULL)
        return ctl_passwd_say(passwd->file, "cannot be read");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    bool found = false;
    bool done = out != NULL && fchmod(fd, mode) == 0 &&
                ctl_passwd_print(passwd, text, form, out, &found);
    int error = errno;
    if (out != NULL)
        done &= fclose(out) == 0;
    free(text);
    if (done && passwd->deletes && !found) {
        unlink(path);
        return ctl_passwd_say(passwd->user, "there is no such user");
    }
    if (!done || rename(path, passwd->file) != 0) {
        error = done ? errno : error;
        unlink(path);
        return ctl_passwd_say(passwd->file, strerror(error));
    }
    return EXIT_SUCCESS;
}

/* Reads the command line. NULL, or what is wrong with it. */
static const char *ctl_passwd_parse(struct ctl_passwd *passwd, int argc, char *const *argv)
{
    bool on_line = false;
    int option;
    optind = 1;
    while ((option = getopt(argc, argv, "+ba:Ds")) != -1) {
        if (option == 'b')
            on_line = true;
        else if (option == 'D')
            passwd->deletes = true;
        else if (option == 's')
            passwd->is_superuser = true;
        else if (option == 'a')
            passwd->algorithm = optarg;
        else
            return "that option is not known";
    }
    if (argc - optind != (on_line ? 3 : 2))
        return on_line ? "file, user and password are needed" : "file and user are needed";
    passwd->file = argv[optind];
    passwd->user = argv[optind + 1];
    passwd->password = on_line ? argv[optind + 2] : NULL;
    if (passwd->user[0] == '\0' || passwd->user[0] == '#' || strpbrk(passwd->user, ":\r\n") != NULL)
        return "a user name is not empty, has no colon, and does not begin with #";
    enum password_algorithm algorithm;
    if (password_find(passwd->algorithm, &algorithm))
        return NULL;
    for (unsigned i = 0; i < SCRAM_COUNT; i++) {
        if (strcasecmp(scram_name((enum scram_mechanism)i), passwd->algorithm) == 0) {
            passwd->kind = CTL_LINE_SCRAM_FIRST + i;
            return NULL;
        }
    }
    return "algorithms are argon2id, bcrypt, scrypt, pbkdf2, scram-sha-256 and scram-sha-512";
}

int ctl_passwd(int argc, char *const *argv)
{
    struct ctl_passwd passwd = {.algorithm = "argon2id", .kind = CTL_LINE_PASSWORD};
    const char *wrong = ctl_passwd_parse(&passwd, argc, argv);
    if (wrong != NULL)
        return ctl_usage("passwd", wrong);
    if (!password_start())
        return ctl_passwd_say("the machine gives no random numbers", "");
    if (passwd.deletes)
        return ctl_passwd_change(&passwd, NULL);
    char form[PASSWORD_FORM_LEN_MAX + 1];
    int code = ctl_passwd_form(&passwd, form);
    return code == EXIT_SUCCESS ? ctl_passwd_change(&passwd, form) : code;
}
