"""Publisher, subscriber, session and will on different shards.

The shard of a client is a keyed hash of its identifier, unknown to the test: eight publishers and
eight subscribers meet in all combinations of up to four shards but for one chance in 10^4, which
does no harm, since every run draws anew.
"""

from harness import cases, slow, versions
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, ack, connect, publish

COUNT = 8


def sides(t, qos=0, **values):
    """All the subscribers of x, then all the publishers."""
    names = t.pairs(COUNT)
    subscribers = {s: t.subscriber(t.topic("x"), suffix=s, qos=qos, **values)
                   for s in dict.fromkeys(s for _, s in names)}
    publishers = {p: t.connect(p) for p in dict.fromkeys(p for p, _ in names)}
    return list(subscribers.values()), list(publishers.values())


@versions(3, 4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
def test_every_publisher_reaches_every_subscriber(t, qos):
    subscribers, publishers = sides(t, qos)
    for number, publisher in enumerate(publishers):
        publisher.publish(t.topic("x"), f"{number}", qos=qos)
    for subscriber in subscribers:
        got = subscriber.take_all(COUNT)
        t.equal(sorted(int(p.payload) for p in got), list(range(COUNT)))
    t.quiet(*subscribers)


@versions(4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
def test_order_from_every_publisher_at_every_subscriber(t, qos):
    subscribers, publishers = sides(t, qos)
    for start in range(0, 30, 10):
        for number, publisher in enumerate(publishers):
            publisher.send(b"".join(
                publish(t.topic("x"), f"{number} {n}", qos=qos, version=t.version,
                        packet_id=n + 1 if qos else None) for n in range(start, start + 10)))
        for publisher in publishers if qos else ():
            for n in range(start, start + 10):
                publisher.expect(PUBACK if qos == 1 else PUBREC, packet_id=n + 1)
            for n in range(start, start + 10) if qos == 2 else ():
                publisher.send(ack(PUBREL, n + 1))
                publisher.expect(PUBCOMP, packet_id=n + 1)
        for subscriber in subscribers:
            last = {}
            for packet in subscriber.take_all(10 * COUNT):
                who, n = map(int, packet.payload.split())
                t.true(n == last.get(who, start - 1) + 1, f"{n} after {last.get(who)} from {who}")
                last[who] = n


@versions(4, 5)
def test_queues_of_sessions_on_every_shard(t):
    for name in range(COUNT):
        client = t.persistent(f"s{name}")
        client.subscribe(t.topic("x"), qos=1)
        client.close()
    for number in range(COUNT):
        t.connect(f"p{number}").publish(t.topic("x"), f"{number}", qos=1)
    for name in range(COUNT):
        got = t.persistent(f"s{name}").take_all(COUNT)  # of different publishers: in any order
        t.equal(sorted(int(p.payload) for p in got), list(range(COUNT)))


@versions(4, 5)
def test_wills_reach_every_shard(t):
    subscribers, _ = sides(t, 1)
    for number in range(COUNT):
        t.connect(f"w{number}", will={"topic": t.topic("x"), "payload": b"%d" % number,
                                      "qos": 1}).close()
    for subscriber in subscribers:
        got = subscriber.take_all(COUNT)
        t.equal(sorted(int(p.payload) for p in got), list(range(COUNT)))


@versions(4, 5)
def test_retained_messages_are_seen_on_every_shard(t):
    for number in range(COUNT):
        publisher = t.connect(f"p{number}")
        for round_number in range(3):
            publisher.publish(t.topic("x"), f"{number} {round_number}", qos=1, retain=True)
        for name in range(COUNT):
            client = t.subscriber(t.topic("x"), suffix=f"s{number}{name}")
            client.take(payload=f"{number} 2", retain=True)
            client.close()


def test_nobody_misses_a_message_between_subscribing_and_retained(t):
    """While a topic changes all the time: whoever subscribes sees some value as retained or none
    yet, and after it every later one in order."""
    publisher = t.connect("pub")
    clients = []
    for number in range(60):
        publisher.publish(t.topic("x"), f"{number}", qos=1, retain=True)
        if number % 6 == 3:
            client = t.connect(f"s{number}")
            client.subscribe(t.topic("x"), qos=1)
            clients.append((number, client))
    for number, client in clients:
        seen = []
        while not seen or seen[-1] != 59:
            got = client.take(timeout=t.timeout)
            seen.append(int(got.payload))
        fresh = [n for n in seen if n > number]
        t.equal(fresh, list(range(number + 1, 60)), "messages after the subscription")
        t.true(number in seen, "the retained message")


def test_connections_of_one_client_are_accepted_anywhere(t):
    """The kernel spreads connections over shards; the session is found from each of them."""
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for number in range(40):
        client.close()
        publisher.publish(t.topic("x"), f"{number}", qos=1)
        client = t.persistent("a")
        t.equal(client.connack.session_present, True)
        client.take(payload=f"{number}", qos=1)
        client.ping()


@cases([("0", 0), ("1", 1), ("2", 2)])
def test_members_of_a_group_on_every_shard(t, qos):
    members = [t.subscriber(f"$share/g/{t.topic('x')}", suffix=f"m{n}", qos=qos)
               for n in range(COUNT)]
    for number in range(COUNT * 3):
        publisher = t.connect(f"p{number % COUNT}")
        publisher.publish(t.topic("x"), f"{number}", qos=qos)
        publisher.ping()
    got = t.gather(members, COUNT * 3)
    t.equal(sorted(int(p.payload) for _, p in got), list(range(COUNT * 3)))
    t.quiet(*members)


@versions(4, 5)
def test_unsubscribe_on_every_shard(t):
    subscribers, publishers = sides(t, 1)
    for subscriber in subscribers[::2]:
        subscriber.unsubscribe(t.topic("x"))
    for number, publisher in enumerate(publishers):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    for subscriber in subscribers[1::2]:
        subscriber.take_all(COUNT)
    t.quiet(*subscribers)


@slow
@versions(5)
def test_subscribe_and_unsubscribe_while_messages_flow(t):
    """The last subscriber of a filter leaves and the next one joins, again and again, while
    others publish: no message comes from before a subscription or after its end, none is lost
    in between."""
    publishers = [t.connect(f"p{n}") for n in range(4)]
    for turn in range(60):
        client = t.connect(f"s{turn % COUNT}")
        client.subscribe(t.topic("x"), qos=1)
        for number, publisher in enumerate(publishers):
            publisher.publish(t.topic("x"), f"{turn} {number}", qos=1)
        got = client.take_all(len(publishers))
        t.equal(sorted(p.payload for p in got),
                [f"{turn} {n}".encode() for n in range(len(publishers))])
        if turn % 2:
            client.unsubscribe(t.topic("x"), reasons=[0])
        client.close()


@slow
@versions(4)
def test_fan_out_of_a_burst_to_every_shard(t):
    """2,000 messages of 1 KiB at QoS 0, in bursts that fit the limits of a connection."""
    subscribers, publishers = sides(t)
    for start in range(0, 2000, 200):
        for number in range(start, start + 200):
            publishers[number % COUNT].send(
                publish(t.topic("x"), b"%08d" % number + b"x" * 1016, version=4))
        for subscriber in subscribers:
            got = sorted(int(p.payload[:8]) for p in subscriber.take_all(200))
            t.equal(got, list(range(start, start + 200)))


def test_takeover_storm_on_every_shard(t):
    """Eight clients, each on many connections one after the other with CONNECT pipelined."""
    for turn in range(5):
        clients = [t.connect(f"c{n}", clean=False) for n in range(COUNT)]
        for client in clients:
            client.ping()
    for client in t.clients[:-COUNT]:
        client.expect_error(0x8E)
    for client in t.clients[-COUNT:]:
        client.ping()


def test_publish_comes_right_after_connect_on_every_shard(t):
    """CONNECT and PUBLISH in one segment: the home shard gets both, in order."""
    watcher = t.subscriber(t.topic("x"), suffix="w", qos=1)
    for number in range(COUNT * 2):
        client = t.socket()
        client.send(connect(t.id(f"c{number}")) + b"".join(
            publish(t.topic("x"), f"{number} {n}", qos=1, packet_id=n + 1) for n in range(3)))
        client.expect(2, reason=0)
        for n in range(3):
            client.expect(PUBACK, packet_id=n + 1)
            watcher.take(payload=f"{number} {n}")


@versions(5)
def test_properties_across_shards(t):
    subscribers, publishers = sides(t, 2)
    props = [("content_type", "a"), ("user", ("k", "1")), ("user", ("k", "2")),
             ("message_expiry", 100)]
    for publisher in publishers:
        publisher.publish(t.topic("x"), "m", qos=2, props=props)
    for subscriber in subscribers:
        for got in subscriber.take_all(COUNT):
            t.equal(got.all("user"), [("k", "1"), ("k", "2")])
            t.equal(got.prop("content_type"), "a")
            t.true(98 <= got.prop("message_expiry", 0) <= 100, f"message expiry in {got}")


@versions(5)
def test_no_local_across_shards(t):
    """A session that moves between connections keeps its identity towards no local."""
    for number in range(COUNT):
        client = t.connect(f"s{number}")
        client.subscribe((t.topic("x"), 4 | 1))
    for client in list(t.clients):
        client.publish(t.topic("x"), client.client_id, qos=1)
    for client in t.clients:
        got = {p.payload.decode() for p in client.take_all(COUNT - 1)}
        t.true(client.client_id not in got, "own message in spite of No Local")
    t.quiet(*t.clients)


@versions(5)
def test_disconnected_subscribers_stop_the_flow(t):
    """Publishing to sessions that have gone is not an error and says 0x10 in the end."""
    subscribers, publishers = sides(t, 1)
    for subscriber in subscribers:
        subscriber.close()
    for _ in range(50):
        reasons = {publisher.publish(t.topic("x"), "m", qos=1).reason for publisher in publishers}
        if reasons == {0x10}:
            return
    t.true(reasons <= {0x00, 0x10}, f"reasons {reasons}")


@versions(5)
def test_publish_while_the_subscriber_is_taken_over(t):
    client, publisher = t.persistent("s"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=1)
    seen = []
    for number in range(30):
        publisher.send(publish(t.topic("x"), f"{number}", qos=1, packet_id=number + 1))
        if number % 3 == 2:
            client = t.persistent("s")
    while len(set(seen)) < 30:
        got = client.expect(PUBLISH)
        client.send(ack(PUBACK, got.packet_id))
        seen.append(int(got.payload))
    t.equal(sorted(set(seen)), list(range(30)))
