"""Durable sessions: what was acknowledged is there after kill -9, and QoS 2 is not there twice.

A test kills the broker (`t.broker.crash()`) and goes on with the same data directory. Sockets of
before are dead then; tests connect anew.
"""

import time

from harness import cases, only, options, private, slow, versions
from mqtt_wire import (CONNACK, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, ack, connect, publish,
                       subscribe)

OPTIONS = {"data": True}


def crash(t, **options):
    t.close()
    t.broker.rest()
    t.broker.crash(**options)


@private(bystander=False)
@only("sluiced")
@versions(3, 4, 5)
def test_session_with_queue_survives(t):
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=1)
    client.disconnect()
    publisher = t.connect("pub")
    for number in range(50):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    crash(t)
    client = t.persistent("a")
    t.equal(client.connack.session_present, t.version > 3, "session present")
    got = client.take_all(50)
    t.equal([int(p.payload) for p in got], list(range(50)), "order")
    t.true(not any(p.dup for p in got), "first deliveries")
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "after", qos=1)
    client.take(t.topic("x"), "after", qos=1)
    crash(t)
    client = t.persistent("a")
    t.quiet(client)
    crash(t, stop=True)
    client = t.persistent("a")
    t.equal(client.connack.session_present, t.version > 3, "after a clean stop")
    t.quiet(client)


@private(bystander=False)
@only("sluiced")
def test_window_and_packet_ids_survive(t):
    client = t.persistent("a")
    client.subscribe((t.topic("x"), 2))
    publisher = t.connect("pub")
    for number in range(4):
        publisher.publish(t.topic("x"), f"{number}", qos=1 + number % 2)
    first = [client.expect(PUBLISH) for _ in range(4)]
    client.send(ack(PUBACK, first[0].packet_id))
    client.send(ack(PUBREC, first[3].packet_id))
    client.expect(PUBREL, packet_id=first[3].packet_id)
    client.ping()
    # An acknowledgement waits for nothing, so it may be lost; the one after it was committed.
    publisher.publish(t.topic("other"), "m", qos=1)
    t.settle()
    publisher.publish(t.topic("x"), "4", qos=1)
    client.expect(PUBLISH)
    crash(t)
    client = t.persistent("a")
    for old in first[1:3]:
        again = client.expect(PUBLISH, payload=old.payload)
        t.equal((again.packet_id, again.dup, again.qos), (old.packet_id, True, old.qos))
    client.expect(PUBREL, packet_id=first[3].packet_id)
    client.expect(PUBLISH, payload="4")


@private(bystander=False)
@only("sluiced")
def test_received_id_survives(t):
    subscriber = t.persistent("s")
    subscriber.subscribe(t.topic("x"), qos=2)
    subscriber.disconnect()
    publisher = t.persistent("p")
    publisher.send(publish(t.topic("x"), "once", qos=2, packet_id=7, version=5))
    publisher.expect(PUBREC, packet_id=7)
    crash(t)
    publisher = t.persistent("p")
    publisher.send(publish(t.topic("x"), "once", qos=2, packet_id=7, dup=True, version=5))
    publisher.expect(PUBREC, packet_id=7)
    publisher.send(ack(PUBREL, 7))
    publisher.expect(PUBCOMP, packet_id=7)
    crash(t)
    publisher = t.persistent("p")
    publisher.send(ack(PUBREL, 7))
    publisher.expect(PUBCOMP, packet_id=7, reason=0x92)
    subscriber = t.persistent("s")
    subscriber.take(t.topic("x"), "once", qos=2)
    t.quiet(subscriber)


@private(bystander=False)
@only("sluiced")
def test_subscriptions_survive(t):
    client = t.persistent("a")
    client.subscribe(t.topic("1"), qos=1, props={"subscription_id": 9})
    client.subscribe(t.topic("2/#"), qos=0)
    client.subscribe(t.topic("3"), qos=2)
    client.unsubscribe(t.topic("3"))
    crash(t)
    client = t.persistent("a")
    publisher = t.connect("pub")
    publisher.publish(t.topic("3"), "gone", qos=1)
    publisher.publish(t.topic("2/x"), "b", qos=1)
    publisher.publish(t.topic("1"), "a", qos=1)
    got = client.take_all(2)
    by_payload = {p.payload: p for p in got}
    t.equal(by_payload[b"a"].prop("subscription_id"), 9)
    t.equal(by_payload[b"b"].qos, 0)
    t.quiet(client)


@private(bystander=False)
@only("sluiced")
def test_ended_sessions_stay_ended(t):
    t.persistent("a").subscribe(t.topic("x"), qos=1)
    t.connect("a", clean=True).disconnect()
    t.persistent("b", expiry=1).subscribe(t.topic("x"), qos=1)
    t.persistent("c").disconnect()
    crash(t)
    t.equal(t.persistent("a").connack.session_present, False, "clean start")
    t.equal(t.persistent("c").connack.session_present, True, "kept")


@private(bystander=False)
@only("sluiced")
def test_retained_survives(t):
    publisher = t.connect("pub")
    publisher.publish(t.topic("a"), "one", qos=1, retain=True)
    publisher.publish(t.topic("a"), "two", qos=1, retain=True)
    publisher.publish(t.topic("b"), "gone", qos=1, retain=True)
    publisher.publish(t.topic("b"), "", qos=1, retain=True)
    publisher.publish(t.topic("c"), "qos0", qos=0, retain=True)
    publisher.publish(t.topic("d"), "last", qos=2, retain=True)
    crash(t)
    client = t.connect("sub")
    client.subscribe(t.topic("#"), qos=2)
    got = sorted((p.topic, bytes(p.payload)) for p in client.take_all(3))
    t.equal([payload for _, payload in got], [b"two", b"qos0", b"last"])
    t.quiet(client)


@private(bystander=False)
@only("sluiced")
def test_will_survives(t):
    watcher = t.persistent("w")
    watcher.subscribe(t.topic("will"), qos=1)
    t.persistent("a", will={"topic": t.topic("will"), "payload": "now", "qos": 1})
    t.persistent("b", will={"topic": t.topic("will"), "payload": "later", "qos": 1,
                            "props": {"will_delay": 2}})
    gone = t.persistent("c", will={"topic": t.topic("will"), "payload": "never", "qos": 1})
    gone.disconnect()
    crash(t)
    watcher = t.persistent("w", timeout=8)
    watcher.take(t.topic("will"), "now", qos=1)
    watcher.take(t.topic("will"), "later", qos=1)
    t.quiet(watcher)


@private(bystander=False)
@only("sluiced")
def test_shared_member_survives(t):
    client = t.persistent("a")
    client.subscribe(f"$share/g/{t.topic('x')}", qos=1)
    client.disconnect()
    publisher = t.connect("pub")
    for number in range(10):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    crash(t)
    client = t.persistent("a")
    got = client.take_all(10)
    t.equal([int(p.payload) for p in got], list(range(10)))
    t.connect("pub").publish(t.topic("x"), "after", qos=1)
    client.take(t.topic("x"), "after", qos=1)
