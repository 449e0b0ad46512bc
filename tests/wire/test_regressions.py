"""Mistakes that the broker once made, each as the smallest dialogue that showed it.

The name of a test says what must hold. Where publisher and subscriber have to live on different
shards, there are eight of each: the home of a client is a keyed hash of its identifier.
"""

import time

from harness import options, private
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, ack, publish

COUNT = 8


@private()
@options(limits={"mail_overflow_bytes": "64KB"})
def test_publishers_of_a_pressed_shard_are_paused_and_go_on(t):
    """More bytes under way to another shard than allowed: the broker stops reading from the
    publishers and takes them up again, and nothing is lost."""
    subscribers = [t.subscriber(t.topic("x"), suffix=f"s{n}", qos=1) for n in range(COUNT)]
    publishers = [t.connect(f"p{n}") for n in range(COUNT)]
    for publisher in publishers:
        publisher.send(b"".join(publish(t.topic("x"), b"%05d" % n * 2000, qos=1, packet_id=n + 1)
                                for n in range(20)))
    for subscriber in subscribers:
        subscriber.take_all(20 * COUNT)
    for publisher in publishers:
        for number in range(20):
            publisher.expect(PUBACK, packet_id=number + 1)
