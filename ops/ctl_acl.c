/*
 * ctl_acl.c -- sluicectl acl check: which access rule decides.
 *
 * Reads the same configuration as the broker (file and environment), compiles the same rules and
 * asks the same question. The answer is one line, `allow` or `deny` first; the exit code is 0 for
 * both, unless the configuration or a rule file is wrong. Rules of a token are not known here.
 *
 * Threads: one.
 */
#include "ctl.h"

#include "acl_load.h"
#include "ip_address.h"
#include "topic.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CTL_ATTRS_MAX IDENTITY_ATTRS_MAX

struct ctl_acl {
    const char *config;
    struct client_identity client;
    struct identity_attr attrs[CTL_ATTRS_MAX];
    struct acl_query query;
    struct topic_filter_parts parts;
};

/* 1.2.3.4, ::1, or `unix` for a client without an address. */
static bool ctl_acl_address(struct client_identity *client, const char *text)
{
    struct in6_addr address = {0};
    if (strcmp(text, "unix") != 0 && !ip_address_parse(text, strlen(text), &address))
        return false;
    memcpy(client->address, &address, sizeof(client->address));
    return true;
}

static bool ctl_acl_attr(struct ctl_acl *acl, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || acl->client.attrs_num == CTL_ATTRS_MAX)
        return false;
    acl->attrs[acl->client.attrs_num++] = (struct identity_attr){
        .name = bytes_of(text, (size_t)(equals - text)), .value = bytes_of_text(equals + 1)};
    return true;
}

static bool ctl_acl_qos(struct ctl_acl *acl, const char *text)
{
    if (text[0] < '0' || text[0] > '2' || text[1] != '\0')
        return false;
    acl->query.qos = (uint8_t)(text[0] - '0');
    return true;
}

/* An option with its value. False: the value is not right. */
static bool ctl_acl_option(struct ctl_acl *acl, const char *name, const char *value, bool *known)
{
    *known = true;
    if (strcmp(name, "--config") == 0)
        acl->config = value;
    else if (strcmp(name, "--client") == 0)
        acl->client.client_id = bytes_of_text(value);
    else if (strcmp(name, "--user") == 0)
        acl->client.username = bytes_of_text(value);
    else if (strcmp(name, "--cn") == 0)
        acl->client.cert_common_name = bytes_of_text(value);
    else if (strcmp(name, "--topic") == 0)
        acl->query.topic = bytes_of_text(value);
    else if (strcmp(name, "--addr") == 0)
        return ctl_acl_address(&acl->client, value);
    else if (strcmp(name, "--attr") == 0)
        return ctl_acl_attr(acl, value);
    else if (strcmp(name, "--qos") == 0)
        return ctl_acl_qos(acl, value);
    else
        *known = false;
    return true;
}

/* NULL, or what is wrong with the command line. */
static const char *ctl_acl_parse(struct ctl_acl *acl, int argc, char *const *argv)
{
    if (argc < 2 || strcmp(argv[1], "check") != 0)
        return "what is to be done is missing: check";
    for (int i = 2; i < argc; i++) {
        bool known = true;
        if (strcmp(argv[i], "publish") == 0)
            acl->query.action = ACL_PUBLISH;
        else if (strcmp(argv[i], "subscribe") == 0)
            acl->query.action = ACL_SUBSCRIBE;
        else if (strcmp(argv[i], "--retain") == 0)
            acl->query.retain = true;
        else if (i + 1 == argc)
            return "an option without its value, or an unknown word";
        else if (!ctl_acl_option(acl, argv[i], argv[i + 1], &known))
            return "a value is not right";
        else if (!known)
            return "an unknown option";
        else
            i++;
    }
    if (acl->query.action == 0)
        return "publish or subscribe is missing";
    return acl->query.topic.ptr == NULL ? "--topic is missing" : NULL;
}

/* The topic as the broker would take it. NULL, or what is wrong with it. */
static const char *ctl_acl_topic(struct ctl_acl *acl)
{
    enum topic_result result;
    if (acl->query.action == ACL_PUBLISH) {
        result = topic_name_check(acl->query.topic, TOPIC_LEVELS_MAX);
    } else {
        result = topic_filter_split(acl->query.topic, &acl->parts);
        if (result == TOPIC_OK)
            result = topic_filter_check(acl->parts.filter, TOPIC_LEVELS_MAX);
        if (result == TOPIC_OK)
            acl->query.topic = acl->parts.filter; /* what a group shares is judged as it is */
    }
    return result == TOPIC_OK ? NULL : topic_result_text(result);
}

static void ctl_acl_answer(const struct ctl_acl *acl, const struct acl_set *set)
{
    const struct acl_rules *rules = acl_set_rules(set);
    uint32_t number = acl_set_find(set, &acl->client, &acl->query);
    if (number == ACL_NONE) {
        printf("%s: no rule fits; authorization.no_match decides\n",
               acl_set_no_match(set) ? "allow" : "deny");
        return;
    }
    const struct acl_rule *rule = &rules->rules[number];
    struct bytes file = rules->files[rule->file];
    printf("%s: %.*s:%u\n", rule->allow ? "allow" : "deny", (int)file.len, (const char *)file.ptr,
           rule->line);
}

int ctl_acl(int argc, char *const *argv)
{
    static struct error_list errors;
    static struct ctl_acl acl;
    acl.client.attrs = acl.attrs;
    const char *wrong = ctl_acl_parse(&acl, argc, argv);
    if (wrong == NULL)
        wrong = ctl_acl_topic(&acl);
    if (wrong != NULL)
        return ctl_usage("acl", wrong);
    static struct config config;
    struct config_sources sources = {.file = acl.config, .environment = environ};
    struct acl_set *set = NULL;
    error_list_init(&errors);
    if (config_load(&config, &sources, &errors) == RC_OK)
        set = acl_load(&config, &errors);
    if (set != NULL)
        ctl_acl_answer(&acl, set);
    else
        error_list_print(&errors, "sluicectl acl: ", stderr);
    acl_set_destroy(set);
    config_fini(&config);
    return set != NULL ? EXIT_SUCCESS : CTL_FAILED;
}
