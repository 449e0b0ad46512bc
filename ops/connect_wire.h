/*
 * connect_wire.h -- what sluiced and its helper sluice-connect say to each other.
 *
 * Both ends of one Unix stream socket exchange frames; integers are big-endian:
 *
 *     u32 length of the body | u32 id | u8 kind | body
 *
 *     REQUEST   u32 timeout_ms | u32 connect_timeout_ms | u8 flags | text method | text url |
 *               text ca_file | text body | u16 headers | text header ...
 *     CANCEL    nothing: nobody waits for the answer to `id` any more
 *     RESPONSE  u16 status, 0 if there was none | text content type | text body, or what went wrong
 *
 * A text is u32 length and bytes. `id` is drawn by sluiced and comes back in the answer. Answers
 * come in any order. A frame that is not of this form is a fault of the other side and ends the
 * conversation.
 *
 * Bounds: CONNECT_FRAME_MAX bytes a frame, CONNECT_HEADERS_MAX headers.
 *
 * Threads: pure functions, any; a buffer belongs to one.
 */
#ifndef SLUICE_CONNECT_WIRE_H
#define SLUICE_CONNECT_WIRE_H

#include "bytes.h"

#define CONNECT_FRAME_HEAD  9
#define CONNECT_FRAME_MAX   (4u * 1024 * 1024)
#define CONNECT_HEADERS_MAX 64

/* The largest answer of a server that is passed on. */
#define CONNECT_ANSWER_MAX (1024u * 1024)

enum connect_kind { CONNECT_REQUEST = 1, CONNECT_CANCEL, CONNECT_RESPONSE };

/* Flags of a request. */
#define CONNECT_INSECURE 0x01u /* do not verify the server's certificate */

/* A value with views. */
struct connect_request {
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms;
    uint8_t flags;
    struct bytes method;  /* GET, POST, ... */
    struct bytes url;     /* http or https */
    struct bytes ca_file; /* empty: those of the system */
    struct bytes body;
    const struct bytes *headers; /* whole lines without their ends */
    uint32_t headers_num;
};

/* A value with views. */
struct connect_response {
    uint16_t status; /* of HTTP; 0: `body` says what went wrong */
    struct bytes content_type;
    struct bytes body;
};

/* A value with a view. */
struct connect_frame {
    uint32_t id;
    uint8_t kind;
    struct bytes body;
    uint32_t len; /* of the whole frame */
};

/* Bytes that wait to be written, or to become whole. Zeroes are an empty one. */
struct connect_buffer {
    uint8_t *ptr;
    uint32_t len;
    uint32_t capacity;
};

/* Appends. False without memory, or over CONNECT_FRAME_MAX for requests and responses. */
MUST_USE bool connect_buffer_add(struct connect_buffer *buffer, const void *ptr, uint32_t len);
void connect_buffer_drop(struct connect_buffer *buffer, uint32_t len);
void connect_buffer_fini(struct connect_buffer *buffer);

MUST_USE bool connect_write_request(struct connect_buffer *out, uint32_t id,
                                    const struct connect_request *request);
MUST_USE bool connect_write_response(struct connect_buffer *out, uint32_t id,
                                     const struct connect_response *response);
MUST_USE bool connect_write_cancel(struct connect_buffer *out, uint32_t id);

enum connect_result { CONNECT_OK, CONNECT_MORE, CONNECT_BAD };

/* The first frame in `in`. */
enum connect_result connect_read_frame(struct bytes in, struct connect_frame *out);

/* `headers` has room for CONNECT_HEADERS_MAX. False: not of that form. */
MUST_USE bool connect_read_request(struct bytes body, struct connect_request *out,
                                   struct bytes *headers);
MUST_USE bool connect_read_response(struct bytes body, struct connect_response *out);

#endif
