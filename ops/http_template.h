/*
 * http_template.h -- texts with placeholders, filled in with what a client says of itself.
 *
 *     ${clientid} ${username} ${password} ${peerhost} ${peerport} ${cert_common_name}
 *     ${cert_subject} ${listener} ${proto_ver}
 *
 * `${$}` stands for a dollar sign. An unknown placeholder is an error of the configuration. What a
 * client did not give is empty. What is filled in is written so that it cannot end the text around
 * it: percent-encoded in a URL or a form, escaped in JSON, and in a header without control
 * characters.
 *
 * Bounds: TEMPLATE_LEN_MAX bytes of template; what it is filled with is as long as MQTT allows.
 *
 * Threads: a template is immutable; any.
 */
#ifndef SLUICE_HTTP_TEMPLATE_H
#define SLUICE_HTTP_TEMPLATE_H

#include "authn.h"
#include "connect_wire.h"

#define TEMPLATE_LEN_MAX 4096

/* How what is filled in is written. */
enum template_escape { TEMPLATE_URL, TEMPLATE_JSON, TEMPLATE_HEADER };

/* NULL if the text is right, else what is wrong with it (a static text). */
const char *template_check(struct bytes text);

/* Appends `text`, filled in. It has been checked. False without memory. */
MUST_USE bool template_fill(struct bytes text, enum template_escape escape,
                            const struct authn_asked *asked, struct connect_buffer *out);

/* Appends `value` escaped, without looking for placeholders. */
MUST_USE bool template_escape_add(struct bytes value, enum template_escape escape,
                                  struct connect_buffer *out);

#endif
