/*
 * sim_audit.c -- see sim_audit.h.
 */
#include "sim_audit.h"

#include "retained.h"
#include "router.h"
#include "session.h"
#include "sim_base.h"
#include "sim_power.h"
#include "store.h"

/* The subscription to a filter of the table, or NULL. */
static const struct session_sub *audit_find(struct router *router, const struct session *session,
                                            unsigned filter)
{
    static uint8_t text[STORE_FILTER_MAX];
    for (uint32_t i = 0; i < session->subs.count; i++) {
        const struct session_sub *sub = &session->subs.items[i];
        const struct filter *found = filter_index_by_id_rcu(router->shared->filters, sub->id);
        SIM_CHECK(found != NULL, "a subscription without a filter");
        struct bytes group = {0};
        if (sub->member != NULL)
            group = share_group_name(sub->member->group);
        if (bytes_equal(store_filter_text(group, filter_text(found), text),
                        bytes_of_text(sim_filter_text(filter))))
            return sub;
    }
    return NULL;
}

static void audit_session(struct router *router, const struct sim_client *client)
{
    struct session *session = session_find(router, bytes_of_text(client->id));
    SIM_CHECK(session != NULL, "client %u: its session is gone", client->index);
    SIM_TRACE("client %u: on shard %u, session %llu, %u in its window, %u in its queue",
              client->index, (unsigned)router->shard->id,
              (unsigned long long)session->stored_number, session->inflight.count,
              mqueue_count(&session->queue));
    SIM_CHECK(session->conn == NULL && session_is_stored(session), "client %u: not as restored",
              client->index);
    for (unsigned filter = 0; filter < SIM_FILTERS; filter++) {
        uint8_t stands = sim_views[client->index].subs[filter];
        const struct session_sub *sub = audit_find(router, session, filter);
        SIM_CHECK(stands != SIM_SUB_ON || sub != NULL, "client %u: its subscription to %s is gone",
                  client->index, sim_filter_text(filter));
        SIM_CHECK(stands != SIM_SUB_NONE || sub == NULL,
                  "client %u: has a subscription to %s again", client->index,
                  sim_filter_text(filter));
        SIM_CHECK(sub == NULL ||
                      ((sub->options & SUB_QOS_MASK) == sim_filter_qos(client->index, filter) &&
                       ((sub->options & SUB_NO_LOCAL) != 0) ==
                           sim_filter_no_local(client->index, filter)),
                  "client %u: its subscription to %s has other options", client->index,
                  sim_filter_text(filter));
    }
}

static void audit_retained(struct router *router, unsigned topic)
{
    struct msg *msg = retained_get(router->shared->retained, router->shard->epoch,
                                   bytes_of_text(sim_topic_text(topic)), NULL);
    sim_oracle_retained(topic, msg == NULL ? (struct bytes){0} : msg->pub.payload);
    if (msg != NULL)
        msg_unref_shared(msg);
}

void sim_audit(struct router *router, const struct sim_client *clients, unsigned clients_num)
{
    epoch_begin(router->shard->epoch);
    for (unsigned i = 0; i < clients_num; i++) {
        const struct sim_client *client = &clients[i];
        SIM_CHECK(!client->has_none || session_find(router, bytes_of_text(client->id)) == NULL,
                  "client %u: a session that it was told had ended", client->index);
        if (client->lasting && client->session == SIM_SESSION_THERE &&
            session_home(router, bytes_of_text(client->id)) == router->shard->id)
            audit_session(router, client);
    }
    for (unsigned i = 0; i < SIM_RETAINED_COUNT && router->shard->id == 0; i++)
        audit_retained(router, SIM_RETAINED_FIRST + i);
    epoch_end(router->shard->epoch);
}
