/*
 * test_acl_file.c -- files with access rules in their three formats (ops/acl_file.h): what they
 * mean, and what is said about what is wrong with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "acl_file.h"
#include "acl_set.h"

static const struct hash_key key = {{3, 5}};
static struct error_list errors;

static struct acl_set *set_of(const char *text)
{
    struct acl_set *set = NULL;
    struct acl_rules *rules = acl_rules_create();
    error_list_init(&errors);
    if (!acl_file_read_text(rules, "f", bytes_of_text(text), ACL_FORMAT_AUTO, &errors)) {
        error_list_print(&errors, "", stderr);
        fail();
    }
    assert_int_equal(acl_set_create(rules, false, &key, &set), RC_OK);
    return set;
}

/* Who asks: "user client address", "-" for none; what: "pub0 topic", "sub1 topic", "pub0r t". */
static uint32_t line_of(const struct acl_set *set, const char *who, const char *what)
{
    char user[64];
    char client[64];
    char address[64];
    char text[128];
    assert_int_equal(sscanf(who, "%63s %63s %63s", user, client, address), 3);
    struct identity_attr attribute = {bytes_of_text("role"), bytes_of_text("ops")};
    struct client_identity subject = {.client_id = bytes_of_text(client),
                                      .cert_common_name = bytes_of_text("cn1"),
                                      .attrs = &attribute,
                                      .attrs_num = 1};
    if (strcmp(user, "-") != 0)
        subject.username = bytes_of_text(user);
    snprintf(text, sizeof(text), strchr(address, ':') != NULL ? "%s" : "::ffff:%s", address);
    assert_int_equal(inet_pton(AF_INET6, text, subject.address), 1);
    bool retain = what[4] == 'r';
    struct acl_query query = {.action = what[0] == 'p' ? ACL_PUBLISH : ACL_SUBSCRIBE,
                              .qos = (uint8_t)(what[3] - '0'),
                              .retain = retain,
                              .topic = bytes_of_text(what + (retain ? 6 : 5))};
    uint32_t rule = acl_set_find(set, &subject, &query);
    return rule == ACL_NONE ? 0 : acl_set_rules(set)->rules[rule].line;
}

static const char anybody[] = "bob c9 192.168.0.9";

static void a_plain_file(void **state)
{
    (void)state;
    struct acl_set *set = set_of("# who may what\n"
                                 "allow user=dash subscribe $SYS/#\r\n"
                                 "allow address=127.0.0.1 or address=::1 all $SYS/# #\n"
                                 "\n"
                                 "deny all subscribe $SYS/# eq:# eq:+/#\n"
                                 "allow user~^dev- and client~^c publish qos=0,1 retain=false "
                                 "dev/${username}/#\n"
                                 "allow user=\"two words\" publish \"a b/#\" \"eq:x\"\n"
                                 "allow attr.role=ops and cn=cn1 publish qos=2 ops/#\n"
                                 "deny anonymous\n"
                                 "allow all subscribe open/#");
    assert_int_equal(line_of(set, "dash c1 10.0.0.1", "sub0 $SYS/broker"), 2);
    assert_int_equal(line_of(set, "x c1 127.0.0.1", "sub0 $SYS/broker"), 3);
    assert_int_equal(line_of(set, "x c1 ::1", "sub0 #"), 3);
    assert_int_equal(line_of(set, anybody, "sub0 #"), 5);
    assert_int_equal(line_of(set, anybody, "sub0 +/#"), 5);
    assert_int_equal(line_of(set, "dev-7 c1 10.0.0.1", "pub1 dev/dev-7/x"), 6);
    assert_int_equal(line_of(set, "dev-7 c1 10.0.0.1", "pub2 dev/dev-7/x"), 0);
    assert_int_equal(line_of(set, "dev-7 c1 10.0.0.1", "pub1r dev/dev-7/x"), 0);
    assert_int_equal(line_of(set, "dev-7 d1 10.0.0.1", "pub1 dev/dev-7/x"), 0);
    assert_int_equal(line_of(set, "dev-7 c1 10.0.0.1", "pub1 dev/dev-8/x"), 0);
    assert_int_equal(line_of(set, anybody, "pub2 ops/x"), 8);
    assert_int_equal(line_of(set, anybody, "pub1 ops/x"), 0);
    assert_int_equal(line_of(set, "- c1 10.0.0.1", "sub0 open/x"), 9);
    assert_int_equal(line_of(set, anybody, "sub0 open/x"), 10);
    struct client_identity two = {.client_id = bytes_of_text("c"),
                                  .username = bytes_of_text("two words")};
    struct acl_query query = {.action = ACL_PUBLISH, .topic = bytes_of_text("a b/c")};
    assert_true(acl_set_allows(set, &two, &query));
    query.topic = bytes_of_text("eq:x");
    assert_true(acl_set_allows(set, &two, &query));
    acl_set_destroy(set);
}

static void and_binds_tighter_than_or(void **state)
{
    (void)state;
    struct acl_set *set = set_of("allow user=a and client=x or user=b and client=y publish t\n");
    assert_int_equal(line_of(set, "a x 10.0.0.1", "pub0 t"), 1);
    assert_int_equal(line_of(set, "b y 10.0.0.1", "pub0 t"), 1);
    assert_int_equal(line_of(set, "a y 10.0.0.1", "pub0 t"), 0);
    assert_int_equal(line_of(set, "b x 10.0.0.1", "pub0 t"), 0);
    acl_set_destroy(set);
}

static void the_file_that_emqx_ships(void **state)
{
    (void)state;
    struct acl_set *set = set_of(
        "%%-------------- [ACL] ---------------\n"
        "%% -type(permission() :: allow | deny).\n"
        "{allow, {username, {re, \"^dashboard$\"}}, subscribe, [\"$SYS/#\"]}.\n"
        "\n"
        "{allow, {ipaddr, \"127.0.0.1\"}, all, [\"$SYS/#\", \"#\"]}.\n"
        "{deny, all, subscribe, [\"$SYS/#\", {eq, \"#\"}, {eq, \"+/#\"}]}.\n"
        "{allow, all}.\n");
    assert_int_equal(line_of(set, "dashboard c1 10.0.0.1", "sub0 $SYS/broker"), 3);
    assert_int_equal(line_of(set, "dashboards c1 10.0.0.1", "sub0 $SYS/broker"), 6);
    assert_int_equal(line_of(set, "x c1 127.0.0.1", "sub0 #"), 5);
    assert_int_equal(line_of(set, anybody, "sub0 #"), 6);
    assert_int_equal(line_of(set, anybody, "sub0 a/#"), 7);
    assert_int_equal(line_of(set, anybody, "pub2r a"), 7);
    acl_set_destroy(set);
}

static void everything_that_emqx_knows(void **state)
{
    (void)state;
    struct acl_set *set = set_of(
        "{allow, {'and', [{user, <<\"bob\"/utf8>>}, {ipaddrs, [\"10.0.0.0/8\",\n"
        "   \"192.168.0.0/16\"]}]},\n  {publish, [{qos, [0,2]}, {retain, false}]}, "
        "[\"a/${clientid}\"]}.\n"
        "{allow, {'or', [{clientid, \"c1\"}, {client, {re, <<\"^d\">>}}]}, {publish, [retain]}, "
        "[{eq, \"x\"}]}.\n"
        "{deny, {client_attr, \"role\", \"ops\"}, {subscribe, [{qos, 1}]}, [\"o/+\"]}. % why\n"
        "{allow, {user, all}, pubsub, [\"p\\x{e4}\\x41\\\"\"]}.");
    assert_int_equal(line_of(set, anybody, "pub2 a/c9"), 1);
    assert_int_equal(line_of(set, anybody, "pub1 a/c9"), 0);
    assert_int_equal(line_of(set, anybody, "pub2r a/c9"), 0);
    assert_int_equal(line_of(set, "bob c9 11.0.0.1", "pub2 a/c9"), 0);
    assert_int_equal(line_of(set, "- c1 11.0.0.1", "pub0r x"), 4);
    assert_int_equal(line_of(set, "- d5 11.0.0.1", "pub0r x"), 4);
    assert_int_equal(line_of(set, "- d5 11.0.0.1", "pub0 x"), 0);
    assert_int_equal(line_of(set, anybody, "sub1 o/x"), 5);
    assert_int_equal(line_of(set, anybody, "sub0 o/x"), 0);
    assert_int_equal(line_of(set, anybody,
                             "pub0 p\xc3\xa4"
                             "A\""),
                     6);
    acl_set_destroy(set);
}

static void mosquitto_takes_what_denies_first(void **state)
{
    (void)state;
    struct acl_set *set = set_of("topic read open/#\n"
                                 "user ann\n"
                                 "topic home/#\n"
                                 "topic deny home/safe/#\n"
                                 "topic write a b\n"
                                 "user bob smith\n"
                                 "topic read read\n"
                                 "pattern dev/%c/%u/${x}\n"
                                 "pattern deny home/x\n"
                                 "# the end\n");
    assert_int_equal(line_of(set, "- c1 1.1.1.1", "sub0 open/a"), 1);
    assert_int_equal(line_of(set, "- c1 1.1.1.1", "pub0 open/a"), 11);
    assert_int_equal(line_of(set, "ann c1 1.1.1.1", "sub0 open/a"), 11);
    assert_int_equal(line_of(set, "ann c1 1.1.1.1", "pub0 home/safe/a"), 4);
    assert_int_equal(line_of(set, "ann c1 1.1.1.1", "pub0 home/x"), 3);
    assert_int_equal(line_of(set, "eve c1 1.1.1.1", "pub0 home/x"), 9);
    assert_int_equal(line_of(set, "ann c1 1.1.1.1", "sub0 home/#"), 4);
    assert_int_equal(line_of(set, "ann c1 1.1.1.1", "pub0 a b"), 5);
    assert_int_equal(line_of(set, "eve c1 1.1.1.1", "pub0 dev/c1/eve/${x}"), 8);
    assert_int_equal(line_of(set, "eve c1 1.1.1.1", "pub0 dev/c2/eve/${x}"), 11);
    acl_set_destroy(set);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message; /* how it begins */
    } cases[] = {
        {"allow user=a publish t\npermit all\n", "f:2:1: \"permit\" where allow or deny"},
        {"allow\n", "f:1:6: the line ends where who it is for"},
        {"allow bob publish t", "f:1:7: \"bob\" where who it is for"},
        {"allow user= publish t", "f:1:12: an empty text"},
        {"allow user=a pubish t", "f:1:14: \"pubish\" where publish, subscribe or all"},
        {"allow user=a and publish t", "f:1:18: \"publish\" where who it is for"},
        {"allow user~a( publish t", "f:1:14: the regular expression is wrong here"},
        {"allow address=10.0.0.0/33", "f:1:15: \"10.0.0.0/33\" is no address or range"},
        {"allow all publish qos=3 t", "f:1:19: \"qos=3\" where qos=0"},
        {"allow all publish qos=1, t", "f:1:19: \"qos=1,\" where qos=0"},
        {"allow all subscribe retain=true t", "f:1:21: \"retain=true\" where a topic"},
        {"allow all publish a/#/b", "f:1:19: \"a/#/b\" is no topic"},
        {"allow all publish eq:a/${x}", "f:1:24: \"a/${x}\" is no topic: an unknown placeholder"},
        {"deny all publish \"a", "f:1:18: a quote that is not closed"},
        {"\xc3\xa4 all", "f:1:1: \"\xc3\xa4\" where allow or deny"},
        {"{allow, all}.\n{allow, bob}.", "f:2:9: who it is for"},
        {"{allow, all, publish}.", "f:1:1: {permission, who} or"},
        {"{}.", "f:1:1: {permission, who} or"},
        {"{permit, all}.", "f:1:2: allow or deny should stand here"},
        {"{allow, all, read, [\"a\"]}.", "f:1:14: publish, subscribe or all"},
        {"{allow, all, all, [a]}.", "f:1:20: a string or {eq"},
        {"{allow, all, all, []}.", "f:1:19: a list of topics"},
        {"{allow, all, all, [\"a#\"]}.", "f:1:20: \"a#\" is no topic"},
        {"{allow, all}", "f:1:13: the file ends where the dot"},
        {"{allow, all", "f:1:12: the file ends where , or }"},
        {"{allow all}.", "f:1:8: , or } should stand here"},
        {"{allow, {user, \"a}}.", "f:1:16: a quote that is not closed"},
        {"{allow, {user, {re, \"a(\"}}}.", "f:1:24: the regular expression"},
        {"{allow, {user, \"\\xq\"}}.", "f:1:19: the number of a character"},
        {"{allow, {ipaddr, \"1.2.3\"}}.", "f:1:18: \"1.2.3\" is no address"},
        {"{allow, all, {publish, [{qos, 3}]}, [\"a\"]}.", "f:1:31: 0, 1, 2 or a list"},
        {"{allow, all, {subscribe, [retain]}, [\"a\"]}.", "f:1:27: {qos, ...}"},
        {"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{", "f:1:25: less nesting"},
        {"user a\ntopics x\n", "f:2:1: \"topics\" where user, topic or pattern"},
        {"user a\ntopic reed x\n", "f:2:7: \"reed\" where read, write"},
        {"topic read x\nuser\n", "f:2:5: the line ends where a user name"},
        {"topic read a/#b\n", "f:1:12: \"a/#b\" is no topic"},
        {"topic a\ntopic\n", "f:2:6: the line ends where a topic"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acl_rules *rules = acl_rules_create();
        error_list_init(&errors);
        assert_false(
            acl_file_read_text(rules, "f", bytes_of_text(cases[i].text), ACL_FORMAT_AUTO, &errors));
        assert_true(errors.num > 0);
        if (strncmp(errors.texts[0], cases[i].message, strlen(cases[i].message)) != 0) {
            fprintf(stderr, "%s\n says   %s\n wanted %s\n", cases[i].text, errors.texts[0],
                    cases[i].message);
            fail();
        }
        acl_rules_destroy(rules);
    }
}

static void everything_that_is_wrong_is_said_at_once(void **state)
{
    (void)state;
    static const char *const texts[] = {"allow a\nallow all publish t\ndeny b\nallow user=\n",
                                        "{allow, a}.\n{allow, all}.\n{deny,, b}.\n{allow, {user,\n"
                                        "  3}}.\n",
                                        "topic a#\nuser x\ntopic #a\ntopic read\nuser\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct acl_rules *rules = acl_rules_create();
        error_list_init(&errors);
        assert_false(
            acl_file_read_text(rules, "f", bytes_of_text(texts[i]), ACL_FORMAT_AUTO, &errors));
        assert_int_equal(errors.num, 3);
        acl_rules_destroy(rules);
    }
}

static void a_file_that_is_not_there_or_no_text(void **state)
{
    (void)state;
    struct acl_rules *rules = acl_rules_create();
    error_list_init(&errors);
    assert_false(acl_file_read(rules, "/nowhere/acl.conf", ACL_FORMAT_AUTO, &errors));
    assert_string_equal(errors.texts[0], "authorization.file: /nowhere/acl.conf: cannot be read: "
                                         "No such file or directory");
    assert_false(acl_file_read(rules, "/", ACL_FORMAT_AUTO, &errors));
    assert_false(
        acl_file_read_text(rules, "f", bytes_of_text("allow \xff"), ACL_FORMAT_AUTO, &errors));
    assert_non_null(strstr(errors.texts[2], "f: not a text in UTF-8"));
    acl_rules_destroy(rules);
}

static void a_file_on_disk(void **state)
{
    (void)state;
    char path[] = "/tmp/test_acl_file.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    for (unsigned i = 0; i < 5000; i++)
        fprintf(file, "allow user=u%u publish home/u%u/#\n", i, i);
    fclose(file);
    struct acl_rules *rules = acl_rules_create();
    error_list_init(&errors);
    assert_true(acl_file_read(rules, path, ACL_FORMAT_AUTO, &errors));
    assert_int_equal(rules->rules_count, 5000);
    struct acl_set *set = NULL;
    assert_int_equal(acl_set_create(rules, false, &key, &set), RC_OK);
    assert_int_equal(line_of(set, "u4999 c 1.1.1.1", "pub0 home/u4999/x"), 5000);
    assert_int_equal(line_of(set, "u4998 c 1.1.1.1", "pub0 home/u4999/x"), 0);
    acl_set_destroy(set);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_file),
        cmocka_unit_test(and_binds_tighter_than_or),
        cmocka_unit_test(the_file_that_emqx_ships),
        cmocka_unit_test(everything_that_emqx_knows),
        cmocka_unit_test(mosquitto_takes_what_denies_first),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(everything_that_is_wrong_is_said_at_once),
        cmocka_unit_test(a_file_that_is_not_there_or_no_text),
        cmocka_unit_test(a_file_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
