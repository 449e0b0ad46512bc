/*
 * test_args.c -- the command line: scripts depend on it, so every option stands here as they write
 * it, and every refusal with its words.
 */
#include "args.h"
#include "config_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 80

static struct args args;
static struct error_list errors;

/* Parses a line of words with single spaces between them. */
static enum rc parse(const char *line)
{
    static char copy[1024];
    char *argv[WORDS_MAX + 1] = {(char *)"sluiced"};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    char *rest = copy;
    while (rest != NULL && *rest != '\0' && argc < WORDS_MAX)
        argv[argc++] = strsep(&rest, " ");
    memset(&args, 0x5A, sizeof(args));
    error_list_init(&errors);
    return args_parse(&args, argc, argv, &errors);
}

static void ok(const char *line)
{
    if (parse(line) != RC_OK)
        fail_msg("%s: %s", line, errors.texts[0]);
}

static void refuses(const char *line, const char *expected)
{
    static const struct args zero;
    if (parse(line) != RC_INVALID)
        fail_msg("%s is taken", line);
    assert_string_equal(errors.texts[0], expected);
    assert_int_equal(errors.num, 1);
    assert_memory_equal(&args, &zero, sizeof(zero));
}

static void no_arguments(void **state)
{
    (void)state;
    ok("");
    assert_int_equal(args.mode, ARGS_RUN);
    assert_null(args.config_file);
    assert_int_equal(args.num_overrides, 0);
    assert_int_equal(args.num_listen, 0);
}

static void every_option(void **state)
{
    (void)state;
    ok("--config a.yaml --listen tcp://:1 --data none --shards 4 --cpus 0-3 --log-level debug "
       "--listen=tcp://:2 --admin none --check-config");
    assert_int_equal(args.mode, ARGS_CHECK_CONFIG);
    assert_string_equal(args.config_file, "a.yaml");
    assert_int_equal(args.num_listen, 2);
    assert_string_equal(args.listen[1], "tcp://:2");
    static const struct config_override expected[] = {{"--data", "data_dir", "none"},
                                                      {"--shards", "shards.count", "4"},
                                                      {"--cpus", "shards.cpus", "0-3"},
                                                      {"--log-level", "log.level", "debug"},
                                                      {"--admin", "admin.listen", "none"}};
    assert_int_equal(args.num_overrides, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_string_equal(args.overrides[i].option, expected[i].option);
        assert_string_equal(args.overrides[i].path, expected[i].path);
        assert_string_equal(args.overrides[i].text, expected[i].text);
        assert_non_null(config_key_find_path(expected[i].path));
    }
    ok("--config=a=b --data= --check-config --check-config");
    assert_string_equal(args.config_file, "a=b");
    assert_string_equal(args.overrides[0].text, "");
    ok("--version --check-config");
    assert_int_equal(args.mode, ARGS_VERSION);
    ok("--help --version");
    assert_int_equal(args.mode, ARGS_HELP);
}

static void what_is_refused(void **state)
{
    (void)state;
    refuses("--conifg a", "there is no option \"--conifg\", did you mean --config?");
    refuses("--conifg=a", "there is no option \"--conifg\", did you mean --config?");
    refuses("--zzzzzzzzzz", "there is no option \"--zzzzzzzzzz\"");
    refuses("-c", "there is no option \"-c\"");
    refuses("--", "there is no option \"--\"");
    refuses("a.yaml", "\"a.yaml\" is not an option");
    refuses("-", "\"-\" is not an option");
    refuses("--config", "--config needs a value: --config FILE");
    refuses("--config --check-config", "--config needs a value: --config FILE");
    refuses("--check-config=yes", "--check-config takes no value");
    refuses("--shards 1 --shards 2", "--shards is given twice");
    refuses("--config a --config a", "--config is given twice");
    refuses("--help --nothinglikeit", "there is no option \"--nothinglikeit\"");
    refuses("--check-confi", "there is no option \"--check-confi\", did you mean --check-config?");
}

static void all_errors_are_reported(void **state)
{
    (void)state;
    assert_int_equal(parse("--conifg a b --shards"), RC_INVALID);
    assert_int_equal(errors.num, 3);
    assert_string_equal(errors.texts[1], "\"b\" is not an option");
    assert_string_equal(errors.texts[2], "--shards needs a value: --shards N");
}

static void listeners_are_bounded(void **state)
{
    (void)state;
    static const char word[] = "--listen=:1 ";
    size_t word_len = strlen(word);
    char line[1024];
    for (size_t i = 0; i <= CONFIG_LISTENERS_MAX; i++)
        memcpy(line + i * word_len, word, word_len);
    /* Without the last space, once without and once with the last word. */
    line[CONFIG_LISTENERS_MAX * word_len - 1] = '\0';
    ok(line);
    assert_int_equal(args.num_listen, CONFIG_LISTENERS_MAX);
    line[CONFIG_LISTENERS_MAX * word_len - 1] = ' ';
    line[(CONFIG_LISTENERS_MAX + 1) * word_len - 1] = '\0';
    refuses(line, "there are more than 64 times --listen");
}

static void long_names_are_cut(void **state)
{
    (void)state;
    char line[1000];
    memset(line, 'x', sizeof(line));
    memcpy(line, "--", 2);
    line[sizeof(line) - 1] = '\0';
    assert_int_equal(parse(line), RC_INVALID);
    assert_true(strlen(errors.texts[0]) < 100);
}

static void sources_are_what_was_parsed(void **state)
{
    (void)state;
    char *environment[] = {NULL};
    ok("--config f --listen :1 --shards 2");
    struct config_sources sources = args_sources(&args, environment);
    assert_string_equal(sources.file, "f");
    assert_ptr_equal(sources.environment, environment);
    assert_int_equal(sources.num_listen, 1);
    assert_int_equal(sources.num_overrides, 1);
    assert_ptr_equal(sources.overrides, args.overrides);
}

static void help_names_every_option(void **state)
{
    (void)state;
    static const char *const names[] = {
        "--config FILE", "--check-config",    "--listen URI", "--data DIR", "--shards N",
        "--cpus LIST",   "--log-level LEVEL", "--version",    "--help",     "--admin URI"};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    args_print_help(out);
    fclose(out);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strstr(text, names[i]) == NULL)
            fail_msg("%s is missing", names[i]);
    }
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") <= 80);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_arguments),
        cmocka_unit_test(every_option),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(all_errors_are_reported),
        cmocka_unit_test(listeners_are_bounded),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(sources_are_what_was_parsed),
        cmocka_unit_test(help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
