/*
 * spin.h -- how long a shard looks for work before it sleeps.
 *
 * Sleeping is dear where work comes again at once: the core halts, whoever sends next has to wake
 * it (an interrupt to another core, 13 us of the sender's time and more in a virtual machine), and
 * what was sent waits until it runs again (25 to 40 us). Looking on for as long as that costs is
 * never worse than twice the best choice, but it is a core at work where nothing is done. So the
 * length is learned from how long the shard was idle, as the kernel's own polling before a halt
 * (haltpoll) does it:
 *
 *     idle no longer than `max_ns`    a spin would have met the end of it: the length doubles,
 *                                     from SPIN_FIRST_NS up to `max_ns`
 *     idle for longer                 it would have been in vain: the length halves, below
 *                                     SPIN_FIRST_NS it is 0
 *
 * An idle broker thus does not spin at all, and one with steady traffic does not sleep.
 *
 * Where others want the core, spinning takes it from them, and the scheduler lets the shard wait
 * for it when there is work. That shows while it spins: the clock jumps. It then sleeps like
 * anybody else for SPIN_REST_NS before it tries again.
 *
 * Who sends in bulk wants throughput: what gathers while the shard sleeps shares segments and
 * turns. After a turn with SPIN_BULK_BYTES of input there is no spin for SPIN_BULK_NS.
 *
 * Threads: the shard that owns it.
 */
#ifndef SLUICE_SPIN_H
#define SLUICE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* No spin is shorter. */
#define SPIN_FIRST_NS UINT64_C(8000)

/* Between two looks at the clock: somebody else had the core. Interrupts take a tenth of it. */
#define SPIN_JUMP_NS UINT64_C(300000)

/* How long there is no spin after that: a slice of somebody else's in twenty-five. */
#define SPIN_REST_NS UINT64_C(100000000)

struct spin {
    uint64_t max_ns;    /* [I] 0: never */
    uint64_t length_ns; /* [O] of the next spin */
    uint64_t rest_ns;   /* [O] none before this time */
};

/* Some 200 small messages: a million a second in turns of 0.2 ms. */
#define SPIN_BULK_BYTES (16 * 1024)
#define SPIN_BULK_NS    UINT64_C(1000000)

void spin_init(struct spin *out, uint64_t max_ns);

/* How long to spin now; 0: not at all. */
static inline uint64_t spin_length_ns(const struct spin *spin, uint64_t now_ns)
{
    return now_ns < spin->rest_ns ? 0 : spin->length_ns;
}

/* The shard had nothing to do for so long, spinning or asleep. */
void spin_learn(struct spin *spin, uint64_t idle_ns);

/* A turn had so many bytes of input. */
static inline void spin_worked(struct spin *spin, uint64_t bytes, uint64_t now_ns)
{
    if (bytes >= SPIN_BULK_BYTES && spin->rest_ns < now_ns + SPIN_BULK_NS)
        spin->rest_ns = now_ns + SPIN_BULK_NS;
}

/* The clock went from one time to the other between two looks. True: no more of this spin. */
bool spin_jumped(struct spin *spin, uint64_t before_ns, uint64_t now_ns);

#endif
