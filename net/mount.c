/*
 * mount.c -- see mount.h.
 * Threads: see mount.h.
 */
#include "mount.h"

#include <string.h>

#include "limits.h"
#include "net.h"
#include "transport.h"

struct mount {
    uint32_t len;
    uint8_t bytes[];
};

static bool mount_name_ok(struct bytes name)
{
    for (uint32_t i = 0; i < name.len; i++) {
        if (memchr("/+#", name.ptr[i], 3) != NULL || name.ptr[i] == '\0')
            return false;
    }
    return name.len > 0;
}

/*
 * Writes the mount point that `pattern` makes to `out`, if it is not NULL, and its length to
 * *out_len. False: a placeholder has no value that will do.
 */
static bool mount_expand(struct bytes pattern, struct bytes client_id, struct bytes username,
                         uint8_t *out, uint32_t *out_len)
{
    static const char id_mark[] = "${clientid}";
    static const char name_mark[] = "${username}";
    STATIC_CHECK(sizeof(id_mark) == sizeof(name_mark), "one length for both");
    const uint32_t mark_len = sizeof(id_mark) - 1;
    uint32_t len = 0;
    for (uint32_t at = 0; at < pattern.len;) {
        struct bytes piece = {.ptr = pattern.ptr + at, .len = 1};
        bool fits = pattern.len - at >= mark_len;
        bool is_id = fits && memcmp(piece.ptr, id_mark, mark_len) == 0;
        bool is_name = fits && memcmp(piece.ptr, name_mark, mark_len) == 0;
        at += is_id || is_name ? mark_len : 1;
        if (is_id || is_name)
            piece = is_id ? client_id : username;
        if ((is_id || is_name) && !mount_name_ok(piece))
            return false;
        if (out != NULL)
            memcpy(out + len, piece.ptr, piece.len);
        len += piece.len;
    }
    *out_len = len;
    return true;
}

enum reason mount_open(struct conn *conn, struct bytes client_id, struct bytes username)
{
    struct bytes pattern = listener_policy(conn->net, conn->listener)->mountpoint;
    if (LIKELY(pattern.len == 0))
        return REASON_SUCCESS;
    uint32_t len;
    if (!mount_expand(pattern, client_id, username, NULL, &len) || len > STRING_LEN_MAX / 2)
        return REASON_NOT_AUTHORIZED;
    struct net *net = conn->net;
    if (net->mount_scratch == NULL)
        net->mount_scratch = mem_alloc(STRING_LEN_MAX);
    struct conn_cold *cold = transport_cold(conn);
    struct mount *mount = mem_alloc(sizeof(*mount) + len);
    if (net->mount_scratch == NULL || cold == NULL || mount == NULL) {
        mem_free(mount);
        return REASON_SERVER_BUSY;
    }
    CHECK(cold->mount == NULL);
    mount_expand(pattern, client_id, username, mount->bytes, &mount->len);
    cold->mount = mount;
    conn->mounted = true;
    return REASON_SUCCESS;
}

struct bytes mount_point(const struct conn *conn)
{
    if (!conn->mounted)
        return bytes_of(NULL, 0);
    return bytes_of(conn->cold->mount->bytes, conn->cold->mount->len);
}

struct bytes mount_add_point(struct conn *conn, struct bytes topic)
{
    CHECK(conn->mounted);
    const struct mount *mount = conn->cold->mount;
    uint8_t *scratch = conn->net->mount_scratch;
    if (mount->len + topic.len > STRING_LEN_MAX)
        return (struct bytes){.ptr = NULL, .len = 0};
    memcpy(scratch, mount->bytes, mount->len);
    memcpy(scratch + mount->len, topic.ptr, topic.len);
    return (struct bytes){.ptr = scratch, .len = mount->len + topic.len};
}

struct bytes mount_strip_point(const struct conn *conn, struct bytes topic)
{
    CHECK(conn->mounted);
    const struct mount *mount = conn->cold->mount;
    if (topic.len <= mount->len || memcmp(topic.ptr, mount->bytes, mount->len) != 0)
        return topic;
    return (struct bytes){.ptr = topic.ptr + mount->len, .len = topic.len - mount->len};
}
