"""Quotas of a user name: connections, subscriptions, queued bytes and retained messages of all its
sessions together, wherever they live. Clients of this machine have the user name that they say."""

import time

from harness import Failure, only, options, private, slow, versions
from mqtt_wire import CONNACK, PUBACK, PUBLISH, connect, publish
from test_metrics import scrape, until

OPTIONS = {"admin": True}
REFUSED = 'sluice_quota_refused_total{quota="%s"}'
DROPPED = 'sluice_messages_dropped_total{reason="user_bytes"}'
NO_QUOTA = {"connections": "infinity"}


def refused(t, suffix, username):
    client = t.socket()
    client.send(connect(t.id(suffix), version=t.version, username=username))
    client.expect(CONNACK, reason=0x97 if t.version == 5 else 3)
    client.expect_close()


def connect_soon(t, suffix, **values):
    """The end of another connection may be handled a moment after it was seen here."""
    deadline = time.monotonic() + t.timeout
    while True:
        client = t.socket()
        client.send(connect(t.id(suffix), version=t.version, **values))
        if client.expect(CONNACK).reason == 0:
            return client
        if time.monotonic() > deadline:
            raise Failure("the quota was not given back")
        time.sleep(0.01)


def end_sessions(t, *suffixes, **values):
    """Sessions end with the connection that takes them up now."""
    for suffix in suffixes:
        t.connect(suffix, clean=True, **values).disconnect()


@only("sluiced")
@versions(3, 4, 5)
@options(quotas={"connections": 3})
@private()
def test_connections_of_a_user(t):
    clients = [t.connect(f"c{n}", username="ann") for n in range(3)]
    for number in range(4):
        refused(t, f"d{number}", "ann")
    t.equal(scrape(t)[REFUSED % "connections"], 4)
    for number in range(5):
        t.connect(f"n{number}")
    t.connect("b", username="bob")
    # Who takes over a connection takes its place.
    again = t.connect("c1", username="ann")
    clients[0].ping()
    again.disconnect()
    connect_soon(t, "d0", username="ann")
    refused(t, "d1", "ann")
    clients[2].abandon()
    connect_soon(t, "d1", username="ann")
    refused(t, "d2", "ann")


@only("sluiced")
@versions(4, 5)
@options(quotas={"connections": 2})
@private()
def test_a_connection_taken_over_by_another_user_is_given_back(t):
    t.persistent("a", username="ann")
    t.persistent("b", username="ann")
    t.persistent("a", username="bob")
    connect_soon(t, "c", username="ann")
    refused(t, "d", "ann")
    t.connect("e", username="bob")
    refused(t, "a", "ann")
    refused(t, "f", "bob")


@only("sluiced")
@versions(5)
@options(quotas={"connections": 10})
@private()
def test_of_many_at_once_exactly_the_quota_comes_in(t):
    for _ in range(3):
        clients = [t.socket() for _ in range(40)]
        for number, client in enumerate(clients):
            client.send(connect(t.id(number), version=5, username="ann"))
        inside = [c for c in clients if c.expect(CONNACK).reason == 0]
        t.equal(len(inside), 10, "clients that came in")
        for client in inside:
            client.disconnect()
        until(t, lambda found: found["sluice_sessions_connected"] <= 1, "clients are still there")


@only("sluiced")
@versions(4, 5)
@options(quotas={"subscriptions": 4})
@private()
def test_subscriptions_of_a_user(t):
    a, b = t.persistent("a", username="ann"), t.connect("b", username="ann")
    over = 0x97 if t.version == 5 else 0x80
    a.subscribe(t.topic("1"), t.topic("2"))
    b.subscribe(t.topic("1"), f"$share/g/{t.topic('1')}", t.topic("3"), reasons=[0, 0, over])
    a.subscribe(t.topic("1"), t.topic("2"))
    a.subscribe(t.topic("4"), reasons=[over])
    t.equal(scrape(t)[REFUSED % "subscriptions"], 2)
    t.connect("c", username="bob").subscribe(*(t.topic(f"{n}") for n in range(4)))
    t.connect("d").subscribe(*(t.topic(f"{n}") for n in range(6)))
    a.unsubscribe(t.topic("1"))
    b.subscribe(t.topic("3"), t.topic("4"), reasons=[0, over])
    # Those of a session stay without its connection, and go with it.
    a.disconnect()
    b.subscribe(t.topic("4"), reasons=[over])
    end_sessions(t, "a", username="ann")
    b.subscribe(t.topic("4"), t.topic("5"), reasons=[0, over])


def fill(t, publisher, name, count, qos=1):
    for number in range(count):
        publisher.publish(t.topic(name), f"{number}".rjust(1000), qos=qos)
    t.broker.rest()  # all copies have come to the queues


def queued(t, name, **values):
    """What waits for a session, which is emptied."""
    client = t.persistent(name, username="ann", **values)
    got = []
    for packet in t.takes(client, t.topic(name), qos=1):
        got.append(int(packet.payload))
    client.disconnect()
    return got


def away(t, *names, username="ann"):
    for name in names:
        client = t.persistent(name, username=username)
        client.subscribe(t.topic(name), qos=1)
        client.disconnect()


def within(t, most):
    """What waits in all queues is not more; the metrics, when all copies have come."""
    t.broker.rest()
    found = scrape(t)
    t.true(found["sluice_queue_bytes"] <= most, f"{found['sluice_queue_bytes']} bytes wait")
    return found


@only("sluiced")
@versions(4, 5)
@options(quotas={"queued_bytes": "20KB"})
@private()
def test_queued_bytes_of_a_user(t):
    away(t, "a", "b")
    publisher = t.connect("pub")
    fill(t, publisher, "a", 10)
    fill(t, publisher, "b", 30)
    found = within(t, 20480)
    dropped = found[DROPPED]
    t.true(20 <= dropped <= 25, f"{dropped} were dropped")
    t.equal(found['sluice_messages_dropped_total{reason="queue_bytes"}'], 0)
    # The queue that gets one gives the oldest for it; the other one is left alone.
    t.equal(queued(t, "a"), list(range(10)))
    got = queued(t, "b")
    t.equal(got, list(range(30 - len(got), 30)))
    t.equal(len(got), 30 - dropped)
    # All of it is given back, and one may have all of it.
    fill(t, publisher, "b", 15)
    within(t, 20480)
    fill(t, publisher, "a", 15)
    found = within(t, 20480)
    t.equal(queued(t, "b"), list(range(15)))
    got = queued(t, "a")
    t.equal(got, list(range(15 - len(got), 15)))
    t.true(0 < len(got) < 10, f"{len(got)} were left")
    t.equal(scrape(t)["sluice_queue_bytes"], 0)


@only("sluiced")
@versions(5)
@options(quotas={"queued_bytes": "20KB"})
@private()
def test_others_have_their_own_queued_bytes(t):
    away(t, "a")
    away(t, "b", username="bob")
    publisher = t.connect("pub")
    fill(t, publisher, "a", 15)
    fill(t, publisher, "b", 15)
    t.settle()
    t.equal(scrape(t)[DROPPED], 0)
    # Without anything of its own that could go, a session gets nothing.
    away(t, "c")
    fill(t, publisher, "a", 10)
    fill(t, publisher, "c", 3)
    t.settle()
    t.true(len(queued(t, "c")) <= 1, "more waits than there was room for")
    # What a session kept is free when the session ends.
    end_sessions(t, "a", username="ann")
    fill(t, publisher, "c", 12)
    t.equal(queued(t, "c"), list(range(12)))


@only("sluiced")
@versions(5)
@options(data=True, quotas={"subscriptions": 4, "queued_bytes": "20KB"})
@private(bystander=False)
def test_what_was_recovered_counts(t):
    """By the hash of the user name in the log, in any number of shards."""
    away(t, "a", "b", "c")
    publisher = t.connect("pub")
    fill(t, publisher, "a", 10)
    t.close()
    for change in ({}, {"shards": 3}, {"stop": True}):
        t.broker.crash(**change)
        client = t.connect("x", username="ann")
        client.subscribe(t.topic("1"), t.topic("2"), reasons=[0, 0x97])
        publisher = t.connect("pub")
        fill(t, publisher, "b", 30)
        within(t, 20480)
        t.close()
        time.sleep(0.05)
    t.equal(queued(t, "a"), list(range(10)))
    got = queued(t, "b")
    t.equal(got, list(range(30 - len(got), 30)))
    t.true(5 <= len(got) < 10, f"{len(got)} were left")
    t.equal(scrape(t)["sluice_queue_bytes"], 0)
    end_sessions(t, "a", "b", "c", username="ann")
    client = t.connect("x", username="ann")
    client.subscribe(*(t.topic(f"{n}") for n in range(5)), reasons=[0, 0, 0, 0, 0x97])


@only("sluiced")
@versions(5)
@options(quotas=NO_QUOTA)
@private()
def test_a_quota_that_comes_later_counts_what_is_there(t):
    clients = [t.connect(f"c{n}", username="ann") for n in range(6)]
    clients[0].subscribe(t.topic("1"), t.topic("2"), t.topic("3"))
    away(t, "a", "b")
    publisher = t.connect("pub")
    fill(t, publisher, "a", 25)
    t.settle()
    t.equal(t.broker.reload(quotas={"connections": 5, "subscriptions": 5,
                                    "queued_bytes": "20KB"}), "applied")
    refused(t, "d", "ann")
    clients[1].subscribe(t.topic("1"), reasons=[0x97])
    fill(t, publisher, "b", 1)
    t.settle()
    t.equal(scrape(t)[DROPPED], 1)
    # What is more than the quota stays until it goes by itself.
    for client in clients[:2]:
        client.disconnect()
    connect_soon(t, "d", username="ann")
    refused(t, "e", "ann")
    t.equal(t.broker.reload(quotas={"connections": 6, "subscriptions": 5}), "applied")
    connect_soon(t, "e", username="ann")
    refused(t, "f", "ann")
    fill(t, publisher, "b", 5)
    t.settle()
    t.equal(scrape(t)[DROPPED], 1)
    t.equal(t.broker.reload(quotas=NO_QUOTA), "applied")
    t.connect("f", username="ann")
    t.equal(t.broker.reload(quotas={"connections": 6}), "applied")
    refused(t, "g", "ann")


RETAINED = 'sluice_messages_dropped_total{reason="user_retained"}'
OVER = 0x97


def retain(t, client, name, payload="x", reason=0, qos=1, **values):
    """Refused: MQTT 5 is told so, MQTT 3 loses its connection without an acknowledgement."""
    if reason == 0 or client.version == 5:
        client.publish(t.topic(name), payload, qos=qos, retain=True, reason=reason or None,
                       **values)
    else:
        client.send(publish(t.topic(name), payload, qos=qos, packet_id=1, retain=True,
                            version=client.version))
        client.expect_close()


def retained(t, *names):
    client = t.connect("reader")
    client.subscribe(t.topic("#"))
    got = set()
    for _ in names:
        packet = client.expect(PUBLISH, retain=True)
        got.add(packet.topic.rsplit("/", 1)[1])
    client.ping()
    client.disconnect()
    t.equal(got, set(names), "what is retained")


@only("sluiced")
@versions(4, 5)
@options(quotas={"retained": 3})
@private()
def test_retained_messages_of_a_user(t):
    a, b = t.connect("a", username="ann"), t.connect("b", username="ann")
    bob, nobody = t.connect("bob", username="bob"), t.connect("nobody")
    watcher = t.connect("w")
    watcher.subscribe(t.topic("#"))
    for client, name in ((a, "1"), (b, "2"), (a, "3")):
        retain(t, client, name)
        watcher.take(t.topic(name))
    # What a user has already may be replaced, by any of its clients.
    retain(t, b, "1", "longer than before")
    watcher.take(t.topic("1"))
    # What is refused is neither retained nor delivered; QoS 0 has nobody to tell.
    retain(t, nobody, "free")
    watcher.take(t.topic("free"))
    retain(t, a, "4", qos=0)
    a.ping()
    for number, qos in enumerate((1, 2)):
        client = t.connect(f"over{number}", username="ann")
        retain(t, client, "4", reason=OVER, qos=qos)
    retain(t, bob, "bob")
    watcher.take(t.topic("bob"))
    t.equal(scrape(t)[RETAINED], 3)
    retained(t, "1", "2", "3", "free", "bob")
    # Deleted by whomever, it is free again.
    retain(t, nobody, "2", b"")
    watcher.take(t.topic("2"))
    retain(t, a, "4")
    retain(t, t.connect("over", username="ann"), "5", reason=OVER)
    # Who replaces another one's message has it from then on.
    retain(t, bob, "4")
    retain(t, a, "5")
    retain(t, bob, "6")
    retain(t, t.connect("bob2", username="bob"), "7", reason=OVER)
    retained(t, "1", "3", "4", "5", "6", "free", "bob")


@only("sluiced")
@versions(5)
@options(quotas={"retained_bytes": "3KB"})
@private()
def test_retained_bytes_of_a_user(t):
    a = t.connect("a", username="ann")
    retain(t, a, "1", "x" * 1000)
    retain(t, a, "2", "x" * 1000)
    retain(t, a, "3", "x" * 1000, reason=OVER)
    # Replacing pays the difference.
    retain(t, a, "1", "x" * 1100)
    retain(t, a, "1", "x" * 2000, reason=OVER)
    retain(t, a, "1", "x" * 10)
    retain(t, a, "3", "x" * 800)
    retain(t, a, "2", b"")
    retain(t, a, "4", "x" * 1000)
    retain(t, t.connect("b", username="bob"), "4", "x" * 1000)
    retain(t, a, "5", "x" * 1000)
    retained(t, "1", "3", "4", "5")


@only("sluiced")
@versions(5)
@options(quotas={"retained": 2})
@private()
def test_a_will_beyond_the_quota_is_delivered_and_not_retained(t):
    watcher = t.connect("w")
    watcher.subscribe(t.topic("#"))
    for number in range(3):
        client = t.connect(f"c{number}", username="ann",
                           will={"topic": t.topic(f"{number}"), "payload": "gone", "qos": 1,
                                 "retain": True})
        client.abandon()
        watcher.take(t.topic(f"{number}"))
    retained(t, "0", "1")
    t.equal(scrape(t)[RETAINED], 1)


@only("sluiced")
@versions(5)
@options(quotas={"retained": 2})
@private()
def test_what_has_expired_is_given_back(t):
    a = t.connect("a", username="ann")
    retain(t, a, "1", props={"message_expiry": 1})
    retain(t, a, "2", props={"message_expiry": 100})
    retain(t, a, "3", reason=OVER)
    time.sleep(1.1)
    retained(t, "2")
    retain(t, a, "3")
    retained(t, "2", "3")


@only("sluiced")
@versions(5)
@options(quotas={"retained": 10})
@private()
def test_of_many_publishers_exactly_the_quota_is_retained(t):
    clients = [t.connect(number, username="ann") for number in range(30)]
    for _ in range(3):
        for number, client in enumerate(clients):
            client.send(publish(t.topic(f"{number}"), "x", qos=1, packet_id=1, retain=True,
                                version=5))
        reasons = [client.expect(PUBACK).reason for client in clients]
        kept = [f"{n}" for n, reason in enumerate(reasons) if reason != OVER]
        t.true(all(reason in (0, 0x10, OVER) for reason in reasons), reasons)
        t.equal(len(kept), 10, "messages that were retained")
        retained(t, *kept)
        for name in kept:
            retain(t, clients[0], name, b"")


@only("sluiced")
@versions(5)
@options(data=True, quotas={"retained": 8, "retained_bytes": "1MB"})
@private(bystander=False)
def test_what_was_retained_before_a_restart_counts(t):
    """By the hash of the user name in the log, in any number of shards."""
    a, b = t.connect("a", username="ann"), t.connect("b", username="bob")
    for number in range(8):
        retain(t, a, f"a{number}", f"{number}".rjust(100))
        retain(t, b, f"b{number}")
    retain(t, b, "b1", b"")
    retain(t, b, "a0")
    retain(t, a, "b0")
    retain(t, b, "b1", b"")
    # A will that is retained only after the restart is its user's, too.
    c = t.persistent("c", username="carl",
                     will={"topic": t.topic("will"), "payload": "gone", "qos": 1, "retain": True,
                           "props": {"will_delay": 1}})
    c.abandon()
    left = {f"a{n}" for n in range(8)} | {f"b{n}" for n in range(8)} - {"b1"}
    for change in ({}, {"shards": 3}, {"stop": True}, {"shards": 2, "stop": True}, {}):
        t.close()
        time.sleep(0.05)
        t.broker.crash(**change)
        a, b = t.connect("a", username="ann"), t.connect("b", username="bob")
        retain(t, a, "more", reason=OVER)
        retain(t, a, "a1", "replaced")
        retain(t, b, "b1")
        retain(t, b, "more", reason=OVER)
        retain(t, b, "b1", b"")
    until(t, lambda found: found["sluice_retained_messages"] == 16, "no will was retained")
    retained(t, "will", *left)
    carl = t.connect("carl", username="carl")
    for number in range(7):
        retain(t, carl, f"c{number}")
    retain(t, carl, "c7", reason=OVER)


@slow
@only("sluiced")
@versions(5)
@options(data=True, quotas={"retained": 8})
@private(bystander=False)
def test_checkpoints_keep_whose_a_retained_message_is(t):
    a, filler = t.connect("a", username="ann"), t.connect("b")
    for number in range(8):
        retain(t, a, f"{number}")
    wills = [t.persistent(f"w{n}", username="ann",
                          will={"topic": t.topic(f"w{n}"), "payload": "gone", "qos": 1,
                                "retain": True, "props": {"will_delay": 1}}) for n in range(4)]
    number = 0
    while scrape(t)["sluice_checkpoints_made_total"] < 2 * t.broker.shards:
        for number in range(number, number + 32):
            filler.send(publish(t.topic(f"f{number % 8}"), bytes(900_000), qos=1, packet_id=1,
                                retain=True, version=5))
        for _ in range(32):
            filler.expect(PUBACK)
    for client in wills:
        client.abandon()
    t.close()
    t.broker.crash()
    retain(t, t.connect("a", username="ann"), "8", reason=OVER)
    until(t, lambda found: found[RETAINED] == 5, "the wills have not come, or were retained")


@only("sluiced")
@versions(5)
@options(quotas=NO_QUOTA)
@private()
def test_a_quota_of_retained_messages_that_comes_later_counts_what_is_there(t):
    a = t.connect("a", username="ann")
    for number in range(20):
        retain(t, a, f"{number}")
    t.equal(t.broker.reload(quotas={"retained": 10}), "applied")
    retain(t, a, "20", reason=OVER)
    retain(t, a, "3", "y")
    for number in range(10):
        retain(t, a, f"{number}", b"")
    retain(t, a, "20", reason=OVER)
    retain(t, a, "11", b"")
    retain(t, a, "20")
    t.equal(t.broker.reload(quotas=NO_QUOTA), "applied")
    retain(t, a, "21")
    t.equal(t.broker.reload(quotas={"retained": 12}), "applied")
    retain(t, a, "22")
    retain(t, a, "23", reason=OVER)
