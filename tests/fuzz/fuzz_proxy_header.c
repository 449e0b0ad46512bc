/*
 * fuzz_proxy_header.c -- the PROXY protocol on any bytes (net/proxy_header.h).
 *
 * Invariants:
 *   - a header lies inside the input and within its bound, and so does every view;
 *   - every prefix of a right header wants more; what is wrong or no header stays so with more;
 *   - the same bytes read twice say the same.
 */
#include "proxy_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_inside(struct bytes view, struct bytes in, uint32_t header_len)
{
    if (view.len > 0)
        CHECK(view.ptr >= in.ptr && view.ptr + view.len <= in.ptr + header_len);
}

static enum proxy_result fuzz_prefix(const uint8_t *data, uint32_t len)
{
    struct proxy_header header;
    uint8_t *exact = malloc(len > 0 ? len : 1);
    CHECK(exact != NULL);
    memcpy(exact, data, len);
    enum proxy_result result = proxy_header_read(bytes_of(exact, len), &header);
    free(exact);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct proxy_header header;
    enum proxy_result result = proxy_header_read(in, &header);
    if (result == PROXY_OK) {
        CHECK(header.len <= in.len && header.len <= PROXY_HEADER_LEN_MAX);
        fuzz_inside(header.tls_version, in, header.len);
        fuzz_inside(header.cipher, in, header.len);
        fuzz_inside(header.common_name, in, header.len);
        fuzz_inside(header.alpn, in, header.len);
        fuzz_inside(header.server_name, in, header.len);
    }
    for (uint32_t cut = 0; cut < in.len && cut < 300; cut++) {
        enum proxy_result early = fuzz_prefix(data, cut);
        CHECK(early == PROXY_MORE || early == result);
        CHECK(early != PROXY_OK || cut >= header.len);
    }
    return 0;
}
