/*
 * fuzz_replay.c -- runs a fuzzer's entry point without libFuzzer: first every file of its corpus,
 * then random mutations of them.
 *
 * Usage: fuzz_x_replay corpus-folder [seed [runs]]. The runs that follow from a seed are always the
 * same, so a failure is repeated by its seed (printed first) and then lies at the printed run. Each
 * input stands in an allocation of exactly its size.
 *
 * A mutation is a file with one to eight changes: a bit flipped, a byte set to a value that lengths
 * and flags stumble over, bytes removed, doubled, or put in from another file.
 */
#include "../model/model_args.h"
#include "check.h"

#include <dirent.h>
#include <string.h>

#define REPLAY_FILES_MAX 256
#define REPLAY_LEN_MAX   4096
#define REPLAY_RUNS      100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct replay_input {
    uint8_t bytes[REPLAY_LEN_MAX];
    uint32_t len;
};

static struct replay_input files[REPLAY_FILES_MAX];
static uint32_t files_num;
static struct model_args args;

static void replay_run(const struct replay_input *input)
{
    uint8_t *exact = malloc(input->len > 0 ? input->len : 1);
    CHECK(exact != NULL);
    memcpy(exact, input->bytes, input->len);
    LLVMFuzzerTestOneInput(exact, input->len);
    free(exact);
}

static int replay_by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool replay_load(const char *folder)
{
    struct dirent **entries;
    int entries_num = scandir(folder, &entries, NULL, replay_by_name);
    for (int i = 0; i < entries_num; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        FILE *file = entries[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file != NULL && files_num < REPLAY_FILES_MAX) {
            struct replay_input *input = &files[files_num++];
            input->len = (uint32_t)fread(input->bytes, 1, REPLAY_LEN_MAX, file);
        }
        if (file != NULL)
            fclose(file);
        free(entries[i]);
    }
    if (entries_num >= 0)
        free(entries);
    return files_num > 0;
}

/* Replaces `cut` bytes at `at` by `len` bytes at `from`, as far as there is room. */
static void replay_splice(struct replay_input *input, uint32_t at, uint32_t cut,
                          const uint8_t *from, uint32_t len)
{
    uint8_t copy[REPLAY_LEN_MAX];
    if (at + cut > input->len || input->len - cut + len > REPLAY_LEN_MAX)
        return;
    memcpy(copy, from, len);
    memmove(input->bytes + at + len, input->bytes + at + cut, input->len - at - cut);
    memcpy(input->bytes + at, copy, len);
    input->len += len - cut;
}

static void replay_mutate(struct replay_input *input)
{
    static const uint8_t odd[] = {0x00, 0x01, 0x02, 0x0B, 0x23, 0x26, 0x7F, 0x80, 0xC3, 0xFE, 0xFF};
    uint32_t at = input->len > 0 ? model_below(&args, input->len) : 0;
    uint32_t len = 1 + model_below(&args, 8);
    if (len > input->len - at)
        len = input->len - at;
    const struct replay_input *other = &files[model_below(&args, files_num)];
    uint32_t other_at = other->len > 0 ? model_below(&args, other->len) : 0;
    switch (model_below(&args, 6)) {
    case 0:
        if (input->len > 0)
            input->bytes[at] ^= (uint8_t)(1u << model_below(&args, 8));
        break;
    case 1:
        if (input->len > 0)
            input->bytes[at] = odd[model_below(&args, sizeof(odd))];
        break;
    case 2:
        replay_splice(input, at, len, input->bytes, 0);
        break;
    case 3:
        replay_splice(input, at, 0, input->bytes + at, len);
        break;
    case 4:
        replay_splice(input, at, 0, other->bytes + other_at, other->len - other_at);
        break;
    default:
        if (input->len > 1)
            input->bytes[1 + model_below(&args, input->len - 1)] += (uint8_t)(1 - 2 * (at & 1));
        break;
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || !replay_load(argv[1])) {
        fprintf(stderr, "usage: %s corpus-folder [seed [runs]]\n", argv[0]);
        return 2;
    }
    args = model_args_of(argc - 1, argv + 1, REPLAY_RUNS);
    for (uint32_t i = 0; i < files_num; i++)
        replay_run(&files[i]);
    for (uint64_t run = 0; run < args.steps; run++) {
        static struct replay_input input;
        input = files[model_below(&args, files_num)];
        for (uint32_t changes = 1 + model_below(&args, 8); changes > 0; changes--)
            replay_mutate(&input);
        replay_run(&input);
    }
    printf("%u files, %llu mutations: ok\n", files_num, (unsigned long long)args.steps);
    return 0;
}
