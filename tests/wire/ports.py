"""Ports of the loopback for brokers, so that several runs side by side do not meet.

`take()` gives a port that nobody listens at and that nobody else who asks here gets until
`give_back(port)` or the end of this process; in between the broker may be started on it again and
again. A port that is merely found free is not enough: sluiced shares its ports among its shards
(SO_REUSEPORT), so that a second broker would get the same one without an error and half of the
connections. What holds a port is the name of an abstract Unix socket: it goes with its process,
whatever ends that, and belongs to the same network namespace as the port.

The ports lie below those that the kernel gives to clients, who might have one at the next start.
"""

import random
import socket

FIRST, AFTER = 12000, 32000
held = {}


def take():
    while True:
        port = random.SystemRandom().randrange(FIRST, AFTER)
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0sluice-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        held[port] = holder
        return port


def give_back(*ports):
    for port in ports:
        held.pop(port).close()
