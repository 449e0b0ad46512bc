/*
 * acl_load.c -- reads the access rules that a configuration names, or the built-in ones, and
 * compiles them.
 */
#include "acl_load.h"

#include "acl_file.h"

#include <sys/random.h>

static const char acl_builtin[] = "allow local all       $SYS/# #\n"
                                  "deny  all   subscribe $SYS/# eq:# eq:+/#\n"
                                  "deny  all   publish   $SYS/#\n"
                                  "allow all\n";

static bool acl_load_rules(const struct config *config, struct acl_rules *rules,
                           struct error_list *errors)
{
    const struct config_authorization *from = &config->authorization;
    if (from->file[0] != '\0')
        return acl_file_read(rules, from->file, from->format, errors);
    return acl_file_read_text(rules, "built-in rules", bytes_of_text(acl_builtin), ACL_FORMAT_PLAIN,
                              errors);
}

struct acl_set *acl_load(const struct config *config, struct error_list *errors)
{
    struct acl_rules *rules = acl_rules_create();
    struct acl_set *set = NULL;
    struct hash_key key;
    enum rc rc = rules == NULL ? RC_NO_MEMORY : RC_OK;
    if (rc == RC_OK && !acl_load_rules(config, rules, errors))
        goto undo_rules;
    if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
        rc = RC_IO;
    key.words[0] |= 1; /* neither may be 0 */
    key.words[1] |= 1;
    if (rc == RC_OK)
        rc = acl_set_create(rules, config->authorization.no_match == CONFIG_ALLOW, &key, &set);
    if (rc == RC_OK)
        return set;
    error_list_add(errors, "%s: %s", config->authorization.file,
                   rc == RC_FULL ? "more rules than the broker takes" : rc_text(rc));
undo_rules:
    acl_rules_destroy(rules);
    return NULL;
}
