"""Mistakes that the broker once made, each as the smallest dialogue that showed it.

The name of a test says what must hold. Where publisher and subscriber have to live on different
shards, there are eight of each: the home of a client is a keyed hash of its identifier.
"""

import time

from harness import options, private
from mqtt_wire import PUBACK, PUBLISH, disconnect, publish

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


@private(bystander=False)
@options(limits={"mail_overflow_bytes": "64KB"})
def test_a_publisher_that_is_paused_keeps_what_is_being_sent_to_it(t):
    """Pausing a publisher stops the receive and leaves the send alone that waits for the client
    to read."""
    subscribers = [t.subscriber(t.topic("x"), suffix=f"s{n}", qos=1) for n in range(COUNT)]
    publishers = [t.subscriber(t.topic("y"), suffix=f"p{n}") for n in range(COUNT)]
    filler = t.connect("filler")
    for number in range(8):
        filler.publish(t.topic("y"), bytes([number]) * 900000, qos=1)
    for publisher in publishers:
        publisher.send(b"".join(publish(t.topic("x"), b"%05d" % n * 2000, qos=1, packet_id=n + 1)
                                for n in range(20)))
    for subscriber in subscribers:
        subscriber.take_all(20 * COUNT)
    for publisher in publishers:
        for number in range(8):
            publisher.wait(PUBLISH, topic=t.topic("y"), payload=bytes([number]) * 900000)
        for number in range(20):
            publisher.wait(PUBACK, packet_id=number + 1)


@private()
@options(limits={"mail_overflow_bytes": "64KB"})
def test_the_will_of_a_paused_publisher_comes_at_once(t):
    """DISCONNECT 0x04 behind the pause causes work for the end of a turn: it must not wait until
    something else wakes the shard."""
    watcher = t.subscriber(t.topic("will"), suffix="watcher")
    for number in range(COUNT):
        t.subscriber(t.topic("x"), suffix=f"s{number}")
    for number in range(COUNT):
        will = {"topic": t.topic("will"), "payload": b"%d" % number}
        publisher = t.connect(f"p{number}", will=will)
        publisher.send(b"".join(publish(t.topic("x"), bytes(10000)) for _ in range(60)) +
                       disconnect(4))
        watcher.take(t.topic("will"), b"%d" % number, timeout=0.5)
