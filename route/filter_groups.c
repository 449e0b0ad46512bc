/*
 * filter_groups.c -- shared groups of filters: joining, leaving, finding.
 *
 * A filter's groups stand in an immutable list that is replaced as a whole when a group comes or
 * goes; joining or leaving a group that stays does not touch it and moves no generation, since
 * cached results hold the group and read its members afresh at each pick.
 *
 * Order when the last member leaves: list without the group, bump, then retire the group.
 *
 * Threads: see filter_index.h.
 */
#include "alloc.h"
#include "filter_index_inner.h"

static size_t share_group_list_size(uint32_t len)
{
    return sizeof(struct share_group_list) + len * sizeof(struct share_group *);
}

static void share_group_list_free(struct epoch_entry *entry)
{
    mem_free(CONTAINER_OF(entry, struct share_group_list, retire));
}

static const struct share_group_list *filter_groups_rcu(const struct filter *filter)
{
    return atomic_load_explicit(&filter->groups, memory_order_acquire);
}

static struct share_group *filter_groups_find(const struct filter *filter, struct bytes name)
{
    const struct share_group_list *list = filter_groups_rcu(filter);
    for (uint32_t i = 0; list != NULL && i < list->len; i++) {
        if (bytes_equal(share_group_name(list->group[i]), name))
            return list->group[i];
    }
    return NULL;
}

const struct share_group *filter_index_group_rcu(const struct filter_index *index,
                                                 struct filter_id id, uint64_t number)
{
    const struct filter *filter = filter_index_by_id_rcu(index, id);
    const struct share_group_list *list = filter != NULL ? filter_groups_rcu(filter) : NULL;
    for (uint32_t i = 0; list != NULL && i < list->len; i++) {
        if (list->group[i]->number == number)
            return list->group[i];
    }
    return NULL;
}

const struct share_group *filter_index_group_by_name_rcu(const struct filter_index *index,
                                                         struct filter_id id, struct bytes name)
{
    const struct filter *filter = filter_index_by_id_rcu(index, id);
    return filter != NULL ? filter_groups_find(filter, name) : NULL;
}

/* Replaces the list by one with `added` (if any) and without `removed` (if any). */
static enum rc filter_groups_replace(struct filter_index *index, struct epoch_record *record,
                                     struct filter *filter, struct share_group *added,
                                     const struct share_group *removed)
{
    struct share_group_list *old = atomic_load_explicit(&filter->groups, memory_order_relaxed);
    uint32_t old_len = old != NULL ? old->len : 0;
    uint32_t len = old_len + (added != NULL) - (removed != NULL);
    struct share_group_list *list = NULL;
    if (len > 0) {
        list = mem_alloc(share_group_list_size(len));
        if (list == NULL)
            return RC_NO_MEMORY;
        list->len = len;
        uint32_t at = 0;
        for (uint32_t i = 0; i < old_len; i++) {
            if (old->group[i] != removed)
                list->group[at++] = old->group[i];
        }
        if (added != NULL)
            list->group[at++] = added;
        CHECK(at == len);
        index->bytes += share_group_list_size(len);
    }
    atomic_store_explicit(&filter->groups, list, memory_order_release);
    filter_index_publish(index, filter);
    if (old != NULL) {
        index->bytes -= share_group_list_size(old_len);
        epoch_call(record, &old->retire, share_group_list_free);
    }
    return RC_OK;
}

/* Makes a group whose first member is there before anybody can find it. */
static enum rc filter_groups_found(struct filter_index *index, struct epoch_record *record,
                                   struct filter *filter, struct bytes name,
                                   enum share_strategy strategy, struct handle session,
                                   struct share_terms terms, bool is_connected,
                                   struct share_member **out_member)
{
    struct share_group *group;
    enum rc rc = share_group_create(name, strategy, index->group_number + 1, filter, &group);
    if (rc != RC_OK)
        return rc;
    struct share_member *member;
    rc = share_group_join(group, record, session, terms, is_connected, &member);
    if (rc == RC_OK)
        rc = filter_groups_replace(index, record, filter, group, NULL);
    if (rc != RC_OK) {
        share_group_free(group);
        return rc;
    }
    index->group_number++;
    index->groups++;
    index->bytes += share_group_bytes(group);
    *out_member = member;
    return RC_OK;
}

enum rc filter_index_group_join(struct filter_index *index, struct epoch_record *record,
                                struct bytes text, struct bytes name, enum share_strategy strategy,
                                struct handle session, struct share_terms terms, bool is_connected,
                                struct share_member **out_member, struct filter_id *out_id)
{
    CHECK(session.shard < index->config.shard_count);
    filter_index_lock(index);
    struct filter *filter;
    struct share_member *member = NULL;
    enum rc rc = filter_index_obtain(index, record, text, &filter);
    if (rc == RC_OK) {
        struct share_group *group = filter_groups_find(filter, name);
        if (filter_index_bytes(index) + sizeof *member > index->config.bytes_max) {
            index->refused++;
            rc = RC_FULL;
        } else if (group == NULL) {
            rc = filter_groups_found(index, record, filter, name, strategy, session, terms,
                                     is_connected, &member);
        } else {
            uint64_t before = share_group_bytes(group);
            rc = share_group_join(group, record, session, terms, is_connected, &member);
            index->bytes += share_group_bytes(group) - before;
            if (rc == RC_OK)
                atomic_store_explicit(&group->strategy, (uint8_t)strategy, memory_order_relaxed);
        }
        if (rc != RC_OK)
            filter_index_release(index, record, filter);
    }
    if (rc == RC_OK) {
        index->members++;
        index->bytes += sizeof *member;
        *out_member = member;
        *out_id = filter->id;
    }
    filter_index_unlock(index);
    return rc;
}

void filter_index_group_leave(struct filter_index *index, struct epoch_record *record,
                              struct share_member *member)
{
    filter_index_lock(index);
    CHECK_OBJ(member, SHARE_MEMBER_MAGIC);
    struct share_group *group = member->group;
    CHECK_OBJ(group, SHARE_GROUP_MAGIC);
    struct filter *filter = group->filter;
    CHECK_OBJ(filter, FILTER_MAGIC);
    uint64_t before = share_group_bytes(group);
    share_group_leave(group, record, member);
    index->bytes -= before - share_group_bytes(group);
    index->bytes -= sizeof *member;
    index->members--;
    if (share_group_members_count(group) == 0) {
        enum rc rc = filter_groups_replace(index, record, filter, NULL, group);
        if (rc == RC_OK) {
            index->groups--;
            index->bytes -= share_group_bytes(group);
            share_group_retire(group, record);
            filter_index_release(index, record, filter);
        }
        /* Without memory for the shorter list the empty group stays for the next member. */
    }
    filter_index_unlock(index);
}

void filter_index_member_set_connected(struct filter_index *index, struct share_member *member,
                                       bool is_connected)
{
    filter_index_lock(index);
    share_member_set_connected(member, is_connected);
    filter_index_unlock(index);
}
