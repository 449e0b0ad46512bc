/*
 * fuzz_ws_upgrade.c -- the upgrade request on any bytes (net/ws_upgrade.h).
 *
 * The first byte chooses the rules, the rest is what a connection received. Invariants:
 *   - the answer does not depend on how the bytes arrive: at once, or one more each time;
 *   - a request lies inside the input and within its bound;
 *   - the response to it fits, whatever the answer, and is not cut.
 */
#include "ws_upgrade.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum rc fuzz_read(const uint8_t *data, uint32_t len, uint32_t *inout_scanned,
                         const struct ws_rules *rules, enum ws_status *out_status,
                         struct ws_request *out, uint32_t *out_len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    CHECK(exact != NULL);
    memcpy(exact, data, len);
    enum rc rc = ws_upgrade_read(bytes_of(exact, len), inout_scanned, rules, out_status, out,
                                 out_len);
    free(exact);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const protocols[] = {"mqtt", "mqttv3.1"};
    static const char *const origins[] = {"https://a"};
    static const struct cidr all = {.is_all = true};
    if (len < 1)
        return 0;
    struct ws_rules rules = {.path = "/mqtt",
                             .protocols = protocols,
                             .num_protocols = 2,
                             .protocol_optional = (data[0] & 1) != 0,
                             .check_origin = (data[0] & 2) != 0,
                             .origin_absent_ok = (data[0] & 4) != 0,
                             .origins = origins,
                             .num_origins = 1,
                             .forwarded_for = "x-forwarded-for",
                             .forwarded_port = "x-forwarded-port",
                             .trusted = &all,
                             .num_trusted = (data[0] & 8) != 0};
    data++;
    len--;
    struct ws_request request, slow_request;
    enum ws_status status = WS_STATUS_COUNT, slow_status = WS_STATUS_COUNT;
    uint32_t scanned = 0, request_len = 0, slow_len = 0;
    enum rc rc = fuzz_read(data, (uint32_t)len, &scanned, &rules, &status, &request, &request_len);
    enum rc slow = RC_MORE;
    scanned = 0;
    for (uint32_t part = 0; part <= len && slow == RC_MORE; part++)
        slow = fuzz_read(data, part, &scanned, &rules, &slow_status, &slow_request, &slow_len);
    CHECK(rc == slow);
    if (rc == RC_MORE)
        return 0;
    char out[WS_RESPONSE_LEN_MAX];
    CHECK(status == slow_status && request_len <= len && slow_len <= request_len);
    CHECK(ws_upgrade_response(status, &request, out) < WS_RESPONSE_LEN_MAX);
    if (status == WS_SWITCH)
        CHECK(request_len == slow_len && memcmp(request.accept, slow_request.accept, 29) == 0);
    return 0;
}
