/*
 * ctl_user.c -- sluicectl user: users of a built-in database of a running broker.
 *
 * The password comes from the terminal, without echo and twice, or from standard input's first
 * line; never from the command line, where everybody on the machine could read it.
 *
 * Threads: one.
 */
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

#include "ctl_call.h"
#include "ctl_password.h"
#include "digest.h"

struct ctl_user {
    struct ctl_call call;
    const char *action;
    const char *user;
    const char *database;
    bool is_superuser;
};

static const char *const ctl_user_actions[] = {"add", "list", "delete", "passwd"};

static const char *ctl_user_parse(struct ctl_user *user, int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0) {
            user->is_superuser = true;
        } else if (strncmp(argv[i], "--", 2) != 0) {
            const char **word = user->action == NULL ? &user->action : &user->user;
            if (*word != NULL)
                return "too many words; a password is asked for, or read from standard input";
            *word = argv[i];
        } else if (i + 1 == argc) {
            return "an option without its value";
        } else {
            if (strcmp(argv[i], "--database") == 0)
                user->database = argv[i + 1];
            else if (!ctl_call_option(&user->call, argv[i], argv[i + 1]))
                return "an unknown option";
            i++;
        }
    }
    bool known = false;
    for (size_t i = 0; user->action != NULL && i < ARRAY_LEN(ctl_user_actions); i++)
        known |= strcmp(user->action, ctl_user_actions[i]) == 0;
    if (!known)
        return "what is to be done is add, list, delete or passwd";
    bool lists = strcmp(user->action, "list") == 0;
    if (lists != (user->user == NULL))
        return lists ? "too many words" : "a user is needed";
    return user->is_superuser && strcmp(user->action, "add") != 0 ? "-s is for add" : NULL;
}

/* The path of the users, with one of them behind it or NULL; for the caller to free. */
static char *ctl_user_path(const struct ctl_user *user, const char *who)
{
    char *path = NULL;
    char *name = ctl_call_encode(who == NULL ? "" : who);
    char *database = ctl_call_encode(user->database == NULL ? "" : user->database);
    if (name == NULL || database == NULL ||
        asprintf(&path, "/authentication/password_based:built_in_database%s%s/users%s%s",
                 database[0] == '\0' ? "" : ":", database, who == NULL ? "" : "/", name) < 0)
        path = NULL;
    free(name);
    free(database);
    return path;
}

static void ctl_user_row(void *context, const json_t *row)
{
    (void)context;
    const char *id = json_string_value(json_object_get(row, "user_id"));
    printf("%s%s\n", id == NULL ? "" : id,
           json_is_true(json_object_get(row, "is_superuser")) ? ":superuser" : "");
}

/* add and passwd */
static int ctl_user_set(const struct ctl_user *user)
{
    char password[CTL_PASSWORD_MAX + 1];
    bool adds = strcmp(user->action, "add") == 0;
    if (!ctl_password_ask("user", password))
        return CTL_FAILED;
    char *path = ctl_user_path(user, adds ? NULL : user->user);
    json_t *body = adds ? json_pack("{s:s, s:s, s:b}", "user_id", user->user, "password", password,
                                    "is_superuser", user->is_superuser)
                        : json_pack("{s:s}", "password", password);
    digest_wipe(password, sizeof(password));
    unsigned status = 0;
    if (body == NULL)
        fprintf(stderr, "sluicectl user: the name or the password is not UTF-8\n");
    else if (path != NULL)
        status = ctl_call(&user->call, adds ? "POST" : "PUT", path, body, NULL);
    json_decref(body);
    free(path);
    return status != 0 ? EXIT_SUCCESS : CTL_FAILED;
}

int ctl_user(int argc, char *const *argv)
{
    struct ctl_user user = {.call = {.name = "user"}};
    const char *wrong = ctl_user_parse(&user, argc, argv);
    if (wrong != NULL)
        return ctl_usage("user", wrong);
    if (strcmp(user.action, "add") == 0 || strcmp(user.action, "passwd") == 0)
        return ctl_user_set(&user);
    char *path = ctl_user_path(&user, user.user);
    int code = CTL_FAILED;
    if (path != NULL && user.user == NULL)
        code = ctl_call_list(&user.call, path, NULL, ctl_user_row);
    else if (path != NULL && ctl_call(&user.call, "DELETE", path, NULL, NULL) != 0)
        code = EXIT_SUCCESS;
    free(path);
    return code;
}
