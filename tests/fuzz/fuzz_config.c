/*
 * fuzz_config.c -- configuration from any bytes: file, environment, command line.
 *
 * The input is cut at zero bytes. The first piece is a YAML file, the second one variable of the
 * environment, the third a value for every override of the command line, the fourth a URI of
 * --listen. Invariants, beside those that the code asserts:
 *
 *   - it loads with no message, or does not load and says why;
 *   - a configuration that loads prints, and has at least one listener with an address;
 *   - a configuration that does not load is all zero.
 */
#include "args.h"
#include "config.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_PIECES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Cuts the input into zero-terminated pieces; the caller frees the one block they are in. */
static char *fuzz_config_cut(const uint8_t *data, size_t len, char *pieces[FUZZ_PIECES])
{
    char *block = malloc(len + 1);
    CHECK(block != NULL);
    if (len > 0)
        memcpy(block, data, len);
    block[len] = '\0';
    char *at = block;
    for (int i = 0; i < FUZZ_PIECES; i++) {
        pieces[i] = at;
        if (at < block + len)
            at += strlen(at);
        if (at < block + len)
            at++;
    }
    return block;
}

static void fuzz_config_load(char *const pieces[FUZZ_PIECES], FILE *sink)
{
    static const struct config zero;
    static struct config config;
    static struct error_list errors;
    char *const environment[] = {pieces[1], NULL};
    char *const argv[] = {(char *)"sluiced", (char *)"--shards", pieces[2], (char *)"--cpus",
                          pieces[2],         (char *)"--listen", pieces[3], (char *)"--log-level",
                          pieces[2]};
    struct args args;
    struct config_sources sources = {.file = NULL};
    error_list_init(&errors);
    if (pieces[3][0] != '\0' && args_parse(&args, ARRAY_LEN(argv), argv, &errors) == RC_OK)
        sources = args_sources(&args, NULL);
    error_list_init(&errors);
    sources.environment = environment;
    enum rc rc = config_load_text(&config, "fuzz", pieces[0], strlen(pieces[0]), &sources, &errors);
    CHECK((rc == RC_OK) == error_list_is_empty(&errors));
    if (rc == RC_OK) {
        CHECK(config.num_listeners > 0 && config.listeners[0].bind.scheme < LISTEN_SCHEME_COUNT);
        config_print(&config, sink);
    } else {
        CHECK(memcmp(&config, &zero, sizeof(zero)) == 0);
        error_list_print(&errors, "", sink);
    }
    config_fini(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static FILE *sink;
    if (sink == NULL)
        sink = fopen("/dev/null", "w");
    CHECK(sink != NULL);
    char *pieces[FUZZ_PIECES];
    char *block = fuzz_config_cut(data, len, pieces);
    fuzz_config_load(pieces, sink);
    struct units_rate rate;
    enum rc rc = units_parse_rate(pieces[2], &rate);
    CHECK(rc != RC_OK || rate.period_ms > 0);
    free(block);
    return 0;
}
