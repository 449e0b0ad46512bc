/*
 * spin.c -- see spin.h.
 *
 * Threads: see spin.h.
 */
#include "spin.h"

#include "check.h"

void spin_init(struct spin *out, uint64_t max_ns)
{
    *out = (struct spin){.max_ns = max_ns};
}

void spin_learn(struct spin *spin, uint64_t idle_ns)
{
    CHECK(spin->length_ns <= spin->max_ns);
    if (idle_ns > spin->max_ns) {
        spin->length_ns = spin->length_ns / 2 < SPIN_FIRST_NS ? 0 : spin->length_ns / 2;
        return;
    }
    uint64_t length_ns = spin->length_ns * 2;
    if (length_ns < SPIN_FIRST_NS)
        length_ns = SPIN_FIRST_NS;
    spin->length_ns = length_ns < spin->max_ns ? length_ns : spin->max_ns;
}

bool spin_jumped(struct spin *spin, uint64_t before_ns, uint64_t now_ns)
{
    CHECK(before_ns <= now_ns);
    if (now_ns - before_ns < SPIN_JUMP_NS)
        return false;
    spin->length_ns = 0;
    spin->rest_ns = now_ns + SPIN_REST_NS;
    return true;
}
