/*
 * acl_set.h -- access rules compiled: which rule decides, at a cost that does not grow with the
 * rules that cannot.
 *
 *   who                  a rule stands in the group of an exact user name, client id, common name,
 *                        attribute, of "no user name", of a range of addresses, or, if it can be
 *                        pinned to none of these, in the general group. Groups are found by hash;
 *                        ranges by one look-up for each prefix length that occurs.
 *   and, or              `or` puts the rule into the group of each alternative; `and` into that of
 *                        its most telling part, and the whole condition is judged again when the
 *                        topic fits.
 *   topic                a group has a trie of levels (literal children by hash), a list for rules
 *                        without topics, and a table of `eq` texts. Levels with placeholders are
 *                        children of their own, compared with the client's words.
 *   order                entries carry the number of their rule; each node knows the lowest number
 *                        below it for each action, so that a walk leaves out what comes too late.
 *
 * What fits a topic:
 *
 *   publish              the rule's filter matches the topic name (MQTT 5.0 section 4.7: a filter
 *                        that begins with a wildcard does not match a name that begins with '$')
 *   subscribe, allow     the rule's filter covers the requested one: all that the subscription
 *                        could receive is inside
 *   subscribe, deny      the two filters overlap: the subscription could receive something that the
 *                        rule withholds. `#` is therefore denied by a rule that denies `secret/+`,
 *                        unless an earlier rule allows `#`
 *   eq                   the texts are the same
 *
 * A regular expression whose answer is not known (regex.h) fits rules that deny, not those that
 * allow.
 *
 * Bounds: those of acl_rule.h; ACL_ENTRIES_MAX ways in which rules can fit. About 200 bytes for a
 * rule with one topic of three levels of its own.
 *
 * Threads: compiled by one, then immutable: matched by any.
 */
#ifndef SLUICE_ACL_SET_H
#define SLUICE_ACL_SET_H

#include "acl_rule.h"
#include "hash.h"
#include "identity.h"

#define ACL_SET_MAGIC   0x41534554u
#define ACL_ENTRIES_MAX (1u << 24)

/* What it wants to do, a value. */
struct acl_query {
    struct bytes topic; /* a valid name, or a valid filter without a share prefix */
    uint8_t action;     /* ACL_PUBLISH or ACL_SUBSCRIBE */
    uint8_t qos;        /* of the message, or the one asked for */
    bool retain;        /* of the message */
};

struct acl_set;

/*
 * Compiles the rules, which it takes over on RC_OK. `no_match`: may a client do what no rule is
 * about? RC_FULL at ACL_ENTRIES_MAX, RC_NO_MEMORY.
 */
MUST_USE enum rc acl_set_create(struct acl_rules *rules, bool no_match, const struct hash_key *key,
                                struct acl_set **out);
void acl_set_destroy(struct acl_set *set);

/* The number of the first rule that fits, or ACL_NONE. */
uint32_t acl_set_find(const struct acl_set *set, const struct client_identity *subject,
                      const struct acl_query *query);

/* Its permission, or that of no_match. */
bool acl_set_allows(const struct acl_set *set, const struct client_identity *subject,
                    const struct acl_query *query);

/* Topic names, by their first byte. */
#define ACL_TOPICS_PLAIN  1u
#define ACL_TOPICS_DOLLAR 2u
#define ACL_TOPICS_ALL    3u

/* Could the set deny this action to anybody? Which topic names could it deny to a publisher? */
bool acl_set_judges(const struct acl_set *set, uint8_t action);
uint8_t acl_set_judges_publish(const struct acl_set *set);

/* The rules that it was made of, and what holds when none fits. */
const struct acl_rules *acl_set_rules(const struct acl_set *set);
bool acl_set_no_match(const struct acl_set *set);

/* Does the client fit the condition? `unknown`: what a regular expression without answer is. */
bool acl_who_fits(const struct acl_rules *rules, uint32_t who,
                  const struct client_identity *subject, bool unknown);

/* Does one topic of a rule, checked by acl_topic_check, fit the question? */
bool acl_topic_fits(struct bytes text, bool is_eq, bool allow,
                    const struct client_identity *subject, const struct acl_query *query);

/* The client's word for a piece; length 0: it has none that can stand in a topic. */
struct bytes acl_piece_value(const struct acl_piece *piece, const struct client_identity *subject);

#endif
