"""Quotas of a user name: connections, subscriptions and queued bytes of all its sessions together,
wherever they live. Clients of this machine have the user name that they say."""

import time

from harness import Failure, only, options, private, versions
from mqtt_wire import CONNACK, Closed, connect
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


def queued(t, name, **values):
    """What waits for a session, which is emptied."""
    client = t.persistent(name, username="ann", **values)
    got = []
    try:
        while True:
            got.append(int(client.take(t.topic(name), timeout=0.3, qos=1).payload))
    except (Failure, Closed, TimeoutError):
        client.disconnect()
        return got


def away(t, *names, username="ann"):
    for name in names:
        client = t.persistent(name, username=username)
        client.subscribe(t.topic(name), qos=1)
        client.disconnect()


def within(t, most):
    """What waits in all queues is not more; the metrics, when all copies have come."""
    t.settle()
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
