/*
 * acl_file.h -- files with access rules, in three formats, into one list.
 *
 *   plain      acl_plain.c       allow user=alice publish home/#
 *   emqx       acl_emqx.c        {allow, {user, "alice"}, publish, ["home/#"]}.
 *   mosquitto  acl_mosquitto.c   user alice / topic write home/#
 *
 * `auto` tells them apart by what the first line that is no comment begins with: '{'; `user`,
 * `topic` or `pattern`; anything else is plain.
 *
 * Threads: one, at start and at reload.
 */
#ifndef SLUICE_ACL_FILE_H
#define SLUICE_ACL_FILE_H

#include "acl_rule.h"
#include "config.h"

#define ACL_FILE_LEN_MAX (64 * 1024 * 1024)

/*
 * Adds the rules of a file to `rules`. False: *errors has at least one message more, and `rules`
 * may have some of the rules: throw them away.
 */
MUST_USE bool acl_file_read(struct acl_rules *rules, const char *path, enum acl_format format,
                            struct error_list *errors);

/* The same with the file's text in memory. */
MUST_USE bool acl_file_read_text(struct acl_rules *rules, const char *name, struct bytes text,
                                 enum acl_format format, struct error_list *errors);

#endif
