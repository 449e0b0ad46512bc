"""Durable members of shared groups: what one hands to another is never in no log at all.

Several members stand on either side, so that some pairs are of one shard and some of two.
"""

import time

from harness import cases, only, options, private
from mqtt_wire import PUBACK, PUBLISH, Closed, TimedOut, publish
from test_metrics import scrape

OPTIONS = {"data": True, "admin": True}
TAKERS = 4


def crash(t, **how):
    t.close()
    t.broker.rest()
    t.broker.crash(**how)


def share(t, name="g"):
    return f"$share/{name}/{t.topic('x')}"


def member(t, suffix, qos=1, **values):
    client = t.persistent(suffix, timeout=10, **values)
    if not client.connack.session_present:
        client.subscribe(share(t), qos=qos)
    return client


def fill(t, count, qos=1, start=0, size=0):
    """Messages that are acknowledged."""
    publisher = t.connect("pub")
    for number in range(start, start + count):
        publisher.publish(t.topic("x"), f"{number} " + "x" * size, qos=qos)
    publisher.disconnect()


def drain(t, clients):
    """Everything that comes to these clients, until nothing comes any more: numbers of each."""
    got = [[] for _ in clients]
    for client, numbers in zip(clients, got):
        for packet in t.takes(client):
            numbers.append(int(bytes(packet.payload).split(b" ")[0]))
        client.ping()
    return got


def all_of(got):
    return sorted(number for numbers in got for number in numbers)


@only("sluiced")
@private(bystander=False)
@cases([("1", 1), ("2", 2)])
def test_recovered_deliveries_go_to_another_member(t, qos):
    """Their bodies are in the log only when the other member comes."""
    member(t, "a", qos).disconnect()
    fill(t, 300, qos)
    crash(t)
    t.equal(scrape(t)["sluice_recovered_messages_total"], 300)
    other = t.subscriber(share(t), suffix="other", qos=qos, timeout=10)
    t.equal([int(p.payload) for p in other.take_all(300)], list(range(300)), "order")
    crash(t)
    t.quiet(member(t, "a"))


@only("sluiced")
@private(bystander=False)
def test_recovered_window_goes_to_another_member(t):
    client = member(t, "a", props={"receive_maximum": 5})
    fill(t, 20)
    first = [client.expect(PUBLISH) for _ in range(5)]
    t.equal(len({p.packet_id for p in first}), 5)
    crash(t)
    other = t.subscriber(share(t), suffix="other", qos=1)
    t.equal(sorted(int(p.payload) for p in other.take_all(20)), list(range(20)))
    t.quiet(member(t, "a"), other)


@only("sluiced")
@private(bystander=False)
@cases([("expiry", False), ("cleanstart", True)])
def test_session_that_ends_leaves_recovered_deliveries_to_others(t, clean):
    takers = [member(t, f"t{i}") for i in range(TAKERS)]
    for taker in takers:
        taker.disconnect()
    client = member(t, "a", expiry=300 if clean else 2)
    fill(t, 200)  # to the only one that is connected
    crash(t)
    if clean:
        t.connect("a", clean=True).disconnect()
    else:
        time.sleep(2.5)
    crash(t)
    t.equal(t.persistent("a").connack.session_present, False, "the session has ended")
    takers = [member(t, f"t{i}") for i in range(TAKERS)]
    t.equal(all_of(drain(t, takers)), list(range(200)))


@only("sluiced")
@private(bystander=False)
@cases([("1", 1), ("2", 2)])
def test_kill_while_deliveries_are_handed_over(t, qos):
    """The giver loses its connection and the broker dies at once, or a little later. Nothing that
    was acknowledged is lost. QoS 2 comes twice only if two shards are concerned and the broker
    died between their commits."""
    count, twice = 0, 0
    for takers in [1, TAKERS, 1, TAKERS, 1, TAKERS]:
        giver = member(t, "a", qos, props={"receive_maximum": 1})
        fill(t, 150, qos, start=count, size=1000)
        others = [member(t, f"t{i}", qos) for i in range(takers)]
        giver.sock.close()
        time.sleep(t.random.choice([0, 0.002, 0.005, 0.01, 0.05]))
        t.close()
        t.broker.crash()
        clients = [member(t, name, qos) for name in ["a"] + [f"t{i}" for i in range(TAKERS)]]
        have = all_of(drain(t, clients))
        lost = sorted(set(range(count, count + 150)) - set(have))
        t.equal(lost, [], f"lost of {count} and 150")
        t.true(set(have) <= set(range(count + 150)), "nothing else")
        twice += len(have) - len(set(have))
        for client in clients:
            client.disconnect()
        count += 150
    if qos == 2 and t.broker.shards == 1:
        t.equal(twice, 0, "QoS 2 twice")


@only("sluiced")
@private(bystander=False)
@options(durability={"max_disk_bytes": "64MB"}, max_mqueue_len="infinity")
def test_takers_that_refuse_leave_it_to_the_giver(t):
    """The logs are full: what the giver has it keeps, in memory and in its log."""
    giver = member(t, "a", props={"receive_maximum": 1})
    fill(t, 100, size=1000)
    takers = [member(t, f"t{i}") for i in range(TAKERS)]
    for i in range(6):
        full = t.persistent(f"full{i}")
        full.subscribe(t.topic("fill"), qos=1)
        full.disconnect()
    for _ in range(3):
        fill_logs(t)
        time.sleep(1.2)  # a checkpoint may have made some room again
    fill_logs(t)
    refusing = scrape(t)["sluice_log_refusing"]
    giver.sock.close()
    time.sleep(0.5)
    got = all_of(drain(t, takers))
    t.true(refusing > 0, "no log is full")
    t.true(t.broker.shards > 1 or len(got) < 100, f"nothing was refused: {got}")
    crash(t)
    got += all_of(drain(t, [member(t, name) for name in ["a"] + [f"t{i}" for i in range(TAKERS)]]))
    t.equal(sorted(set(range(100)) - set(got)), [], "lost")


def fill_logs(t):
    """Until every log refuses, or those that have a session do."""
    deadline = time.monotonic() + 10
    publisher = None
    while scrape(t)["sluice_log_refusing"] < t.broker.shards and time.monotonic() < deadline:
        publisher = publisher or t.connect("fill", timeout=10)
        for _ in range(8):
            publisher.send(publish(t.topic("fill"), "f" * 60000, qos=1,
                                   packet_id=publisher.next_id(), version=5))
        try:
            while publisher is not None and publisher.recv(0.1).type == PUBACK:
                pass
            publisher = None
        except Closed:
            publisher = None
        except TimedOut:
            pass
