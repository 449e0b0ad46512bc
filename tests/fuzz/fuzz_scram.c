/*
 * fuzz_scram.c -- SCRAM's server side with any bytes for the client's two messages.
 *
 * The input is cut at its first line feed. Invariants, beside those that the code asserts:
 *
 *   - a first message that is read is header and bare, one behind the other, and nothing else;
 *   - a name that is read is as long as its escaped form, or shorter;
 *   - nobody gets in: the keys are of nobody, so no final message is right.
 */
#include "scram.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct scram scram;
    static const struct scram_keys keys = {.rounds = SCRAM_ROUNDS, .salt_len = 16};
    const uint8_t *cut = len == 0 ? NULL : memchr(data, '\n', len);
    size_t first_len = cut == NULL ? len : (size_t)(cut - data);
    struct bytes message = bytes_of(data, first_len);
    struct bytes reply = cut == NULL ? bytes_of(NULL, 0) : bytes_of(cut + 1, len - first_len - 1);
    struct scram_first first;
    if (!scram_first_read(message, &first))
        return 0;
    CHECK(first.header.ptr == data && first.header.len + first.bare.len == message.len);
    uint8_t name[SCRAM_USER_LEN_MAX];
    uint32_t name_len = 0;
    if (scram_name_read(first.user, name, &name_len))
        CHECK(name_len > 0 && name_len <= first.user.len);
    scram_begin(&scram, SCRAM_SHA256, &keys, &first, "0123456789abcdefghijklmn");
    char out[SCRAM_SERVER_LEN_MAX];
    uint32_t out_len = 0;
    bool proven = scram_finish(&scram, reply, out, &out_len);
    CHECK(!proven);
    return 0;
}
