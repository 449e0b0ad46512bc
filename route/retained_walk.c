/*
 * retained_walk.c -- walks over the retained index in slices.
 *
 * The cursor's steps are the path from below the root to the node visited last. Inside a slice each
 * step has pointers: the node, and the list it was taken from with its place there. Between slices
 * only the sequence numbers count; the pointers are stale and are filled in again by
 * retained_walk_resume, level by level: look for the same number in the list of the node above. If
 * it is gone, the walk goes on with the first number above it, which is where it would have gone
 * anyway; all that lay below the missing node is gone with it.
 *
 *   visit    the node at the end of the path: report its value if the filter is used up
 *   descend  its first child that the filter allows becomes the end of the path
 *   advance  the next sibling that the filter allows takes its place, or else its parent's
 *
 * A literal level allows one child, found by hash; `+`, and everything at and below `#`, allow all
 * children in the order of the list, but at the first level none that begins with '$'.
 *
 * Threads: a cursor belongs to one thread; the store may change meanwhile.
 */
#include "alloc.h"
#include "retained_tree.h"
#include "topic.h"

#define RETAINED_STEPS_FIRST 8

struct retained_step {
    uint64_t sequence;                        /* of the node, in its parent's list */
    const struct retained_node *node;         /* only inside a slice */
    const struct retained_children *siblings; /* only inside a slice; NULL at a literal level */
    uint32_t place;                           /* only inside a slice: in `siblings` */
};

enum rc retained_cursor_init(struct retained_cursor *cursor, struct bytes filter)
{
    CHECK(filter.len > 0 && filter.len <= UINT16_MAX);
    uint32_t levels = topic_levels_count(filter);
    uint8_t *copy = mem_alloc(filter.len);
    uint32_t *level_ends = mem_alloc(levels * sizeof *level_ends);
    if (copy == NULL || level_ends == NULL) {
        mem_free(copy);
        mem_free(level_ends);
        return RC_NO_MEMORY;
    }
    memcpy(copy, filter.ptr, filter.len);
    *cursor = (struct retained_cursor){
        .filter = copy, .level_ends = level_ends, .filter_len = (uint16_t)filter.len};
    struct bytes rest = {.ptr = copy, .len = filter.len};
    struct bytes level;
    bool more = true;
    while (topic_level_next(&rest, &more, &level)) {
        if (level.len == 1 && level.ptr[0] == '#') {
            cursor->has_hash = true;
            break;
        }
        CHECK(cursor->levels_len < levels);
        level_ends[cursor->levels_len++] = (uint32_t)(level.ptr + level.len - copy);
    }
    return RC_OK;
}

enum rc retained_cursor_init_all(struct retained_cursor *cursor)
{
    enum rc rc = retained_cursor_init(cursor, bytes_of_text("#"));
    if (rc == RC_OK)
        cursor->sees_dollar = true;
    return rc;
}

void retained_cursor_fini(struct retained_cursor *cursor)
{
    mem_free(cursor->filter);
    mem_free(cursor->level_ends);
    mem_free(cursor->steps);
    *cursor = (struct retained_cursor){.filter = NULL};
}

static struct bytes retained_cursor_level(const struct retained_cursor *cursor, uint32_t depth)
{
    CHECK(depth < cursor->levels_len);
    uint32_t start = depth == 0 ? 0 : cursor->level_ends[depth - 1] + 1;
    uint32_t end = cursor->level_ends[depth];
    return (struct bytes){.ptr = cursor->filter + start, .len = end - start};
}

enum retained_allowed { RETAINED_NO_CHILD, RETAINED_ONE_CHILD, RETAINED_ALL_CHILDREN };

/* Which children of a node at `depth` (the root: 0) the filter lets the walk see. */
static enum retained_allowed retained_cursor_allowed(const struct retained_cursor *cursor,
                                                     uint32_t depth)
{
    if (depth >= cursor->levels_len)
        return cursor->has_hash ? RETAINED_ALL_CHILDREN : RETAINED_NO_CHILD;
    struct bytes level = retained_cursor_level(cursor, depth);
    bool is_plus = level.len == 1 && level.ptr[0] == '+';
    return is_plus ? RETAINED_ALL_CHILDREN : RETAINED_ONE_CHILD;
}

/* The first child at or after step->place that may be seen. */
static bool retained_step_settle(struct retained_step *step, uint32_t depth, bool sees_dollar)
{
    if (step->siblings == NULL)
        return false;
    uint32_t len = atomic_load_explicit(&step->siblings->len, memory_order_acquire);
    for (; step->place < len; step->place++) {
        const struct retained_child *item = &step->siblings->item[step->place];
        const struct retained_node *node = atomic_load_explicit(&item->node, memory_order_acquire);
        if (node == NULL)
            continue;
        CHECK_OBJ(node, RETAINED_NODE_MAGIC);
        if (depth == 0 && !sees_dollar && node->level_len > 0 && node->level[0] == '$')
            continue;
        step->node = node;
        step->sequence = item->sequence;
        return true;
    }
    return false;
}

/* The place of the first child whose number is at least `sequence`. */
static uint32_t retained_children_search(const struct retained_children *list, uint64_t sequence)
{
    uint32_t low = 0;
    uint32_t high = atomic_load_explicit(&list->len, memory_order_acquire);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->item[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/*
 * Fills `step` with the first allowed child of `parent` whose number is at least `sequence`.
 */
static bool retained_step_enter(const struct retained *store, const struct retained_cursor *cursor,
                                const struct retained_node *parent, uint32_t depth,
                                uint64_t sequence, struct retained_step *step)
{
    CHECK_OBJ(parent, RETAINED_NODE_MAGIC);
    *step = (struct retained_step){.sequence = 0};
    switch (retained_cursor_allowed(cursor, depth)) {
    case RETAINED_NO_CHILD:
        return false;
    case RETAINED_ONE_CHILD:
        step->node = retained_tree_child_rcu(store, parent, retained_cursor_level(cursor, depth));
        if (step->node == NULL)
            return false;
        CHECK(step->node->sequence >= sequence); /* numbers under one parent rise */
        step->sequence = step->node->sequence;
        return true;
    case RETAINED_ALL_CHILDREN:
        step->siblings = atomic_load_explicit(&parent->children, memory_order_acquire);
        if (step->siblings != NULL)
            step->place = retained_children_search(step->siblings, sequence);
        return retained_step_settle(step, depth, cursor->sees_dollar);
    }
    UNREACHABLE();
}

static enum rc retained_cursor_push(struct retained_cursor *cursor,
                                    const struct retained_step *step)
{
    if (cursor->steps_len == cursor->steps_capacity) {
        uint32_t capacity = cursor->steps_capacity == 0 ? RETAINED_STEPS_FIRST
                                                        : cursor->steps_capacity * 2;
        struct retained_step *steps = alloc_grown(cursor->steps, cursor->steps_len * sizeof *steps,
                                                  capacity * sizeof *steps);
        if (steps == NULL)
            return RC_NO_MEMORY;
        cursor->steps = steps;
        cursor->steps_capacity = capacity;
    }
    cursor->steps[cursor->steps_len++] = *step;
    return RC_OK;
}

static const struct retained_node *retained_cursor_end(const struct retained *store,
                                                       const struct retained_cursor *cursor)
{
    return cursor->steps_len == 0 ? store->root : cursor->steps[cursor->steps_len - 1].node;
}

/* Moves the end of the path to the next sibling, its own or an ancestor's. */
static void retained_walk_advance(struct retained_cursor *cursor)
{
    while (cursor->steps_len > 0) {
        struct retained_step *step = &cursor->steps[cursor->steps_len - 1];
        step->place++;
        if (retained_step_settle(step, cursor->steps_len - 1, cursor->sees_dollar)) {
            cursor->is_pending = true;
            return;
        }
        cursor->steps_len--;
    }
    cursor->is_done = true;
}

/* RC_NO_MEMORY: the path is as it was, its end visited but not descended from. */
static enum rc retained_walk_descend(const struct retained *store, struct retained_cursor *cursor)
{
    struct retained_step step;
    const struct retained_node *end = retained_cursor_end(store, cursor);
    if (!retained_step_enter(store, cursor, end, cursor->steps_len, 0, &step)) {
        retained_walk_advance(cursor);
        return RC_OK;
    }
    enum rc rc = retained_cursor_push(cursor, &step);
    if (rc == RC_OK)
        cursor->is_pending = true;
    return rc;
}

/* Fills the pointers of the path in again. */
static void retained_walk_resume(const struct retained *store, struct retained_cursor *cursor)
{
    const struct retained_node *parent = store->root;
    for (uint32_t depth = 0; depth < cursor->steps_len; depth++) {
        struct retained_step *step = &cursor->steps[depth];
        uint64_t sequence = step->sequence;
        if (!retained_step_enter(store, cursor, parent, depth, sequence, step)) {
            cursor->steps_len = depth;
            retained_walk_advance(cursor);
            return;
        }
        if (step->sequence != sequence) {
            /* Another node, which has not been visited. */
            cursor->steps_len = depth + 1;
            cursor->is_pending = true;
            return;
        }
        parent = step->node;
    }
}

/* Reports the end of the path if it has a value and the filter is used up. False: not now. */
static bool retained_walk_visit(struct retained *store, struct epoch_record *record,
                                struct retained_cursor *cursor, retained_visit_held *visit,
                                void *context)
{
    uint32_t depth = cursor->steps_len;
    CHECK(depth > 0);
    CHECK(depth <= cursor->levels_len || cursor->has_hash);
    struct retained_node *node = (struct retained_node *)cursor->steps[depth - 1].node;
    CHECK_OBJ(node, RETAINED_NODE_MAGIC);
    struct retained_value *held = atomic_load_explicit(&node->value, memory_order_acquire);
    if (depth < cursor->levels_len || held == NULL)
        return true;
    switch (visit(context, held)) {
    case RETAINED_TAKEN:
        return true;
    case RETAINED_DELETE:
        (void)retained_remove(store, record, node, held->version, NULL);
        return true;
    case RETAINED_NOT_NOW:
        return false;
    }
    UNREACHABLE();
}

enum rc retained_walk_held(struct retained *store, struct epoch_record *record,
                           struct retained_cursor *cursor, uint32_t budget_nodes,
                           retained_visit_held *visit, void *context)
{
    CHECK_OBJ(store, RETAINED_MAGIC);
    CHECK(cursor->filter != NULL);
    CHECK(budget_nodes > 0);
    epoch_begin(record);
    enum rc rc = RC_OK;
    if (cursor->is_started && !cursor->is_done)
        retained_walk_resume(store, cursor);
    cursor->is_started = true;
    while (!cursor->is_done && rc == RC_OK) {
        if (cursor->is_pending) {
            if (budget_nodes == 0 || !retained_walk_visit(store, record, cursor, visit, context)) {
                rc = RC_MORE;
                break;
            }
            budget_nodes--;
            cursor->is_pending = false;
        }
        rc = retained_walk_descend(store, cursor);
    }
    epoch_end(record);
    return rc;
}

/* A visit that is shown what was stored. */
struct retained_shown {
    retained_visit *visit;
    void *context;
};

static enum retained_verdict retained_walk_show(void *context, struct retained_value *held)
{
    const struct retained_shown *shown = context;
    return shown->visit(shown->context, held->value, held->version);
}

enum rc retained_walk(struct retained *store, struct epoch_record *record,
                      struct retained_cursor *cursor, uint32_t budget_nodes, retained_visit *visit,
                      void *context)
{
    struct retained_shown shown = {.visit = visit, .context = context};
    return retained_walk_held(store, record, cursor, budget_nodes, retained_walk_show, &shown);
}
