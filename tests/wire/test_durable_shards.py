"""A data directory goes on with another number of shards: nothing is lost and nothing comes twice.

Each test lets the broker go through a chain of numbers of shards, killed or stopped each time.
Which shard a client belongs to is a keyed hash of its identifier, so there are always several.
"""

import os
import signal
import subprocess
import threading
import time

from harness import Skip, cases, only, options, private, slow, versions
from mqtt_wire import (CONNACK, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, TimedOut, ack, publish)
from test_durable_disk import MIB, take_room

OPTIONS = {"data": True}

CHAINS = {1: (2, 3, 1), 2: (1, 3, 2), 4: (3, 2, 4)}
CLIENTS = range(8)


def chain(t):
    """The numbers of shards to go through, from the one that the test began with."""
    if not hasattr(t, "chain"):
        t.chain = CHAINS.get(t.broker.shards, (2, 3, 1))
    return t.chain


def move(t, shards, stop=False):
    """The broker goes on with so many shards; every client is gone."""
    chain(t)
    t.close()
    t.broker.rest()
    t.broker.crash(shards=shards, stop=stop)


def generation(t):
    with open(os.path.join(t.broker.data, "log", "MANIFEST")) as text:
        return dict(line.split() for line in text.read().splitlines())


def logs(t):
    return sorted(name for name in os.listdir(os.path.join(t.broker.data, "log"))
                  if name.isdigit())


def numbers(packets):
    return [int(bytes(packet.payload).split(b" ")[0]) for packet in packets]


@private(bystander=False)
@only("sluiced")
@versions(3, 4, 5)
def test_queues_keep_their_order(t):
    for number in CLIENTS:
        client = t.persistent(f"s{number}")
        client.subscribe(t.topic("x"), qos=1 + number % 2)
        client.disconnect()
    publisher = t.connect("pub")
    for number in range(40):
        publisher.publish(t.topic("x"), f"{number}", qos=1 + number % 2)
    taken = 0
    for turn, shards in enumerate(chain(t)):
        move(t, shards, stop=turn == 1)
        t.connect("first").disconnect()
        t.equal(generation(t), {"sluice-log": "1", "generation": str(turn + 2),
                                "shards": str(shards)})
        t.equal(logs(t), [str(turn + 2)], "old logs are gone")
        for number in CLIENTS:
            client = t.persistent(f"s{number}")
            t.equal(client.connack.session_present, t.version > 3, "session present")
            got = [client.take() for _ in range(10)]
            t.equal(numbers(got), list(range(taken, taken + 10)), f"client {number}")
            client.ping()
        taken += 10
        publisher = t.connect("pub")
        publisher.publish(t.topic("x"), f"{40 + turn}", qos=2)
    move(t, chain(t)[0])
    for number in CLIENTS:
        client = t.persistent(f"s{number}")
        t.equal(numbers(client.take_all(13)), list(range(30, 43)), f"client {number}, the rest")
        t.quiet(client)


@private(bystander=False)
@only("sluiced")
def test_windows_keep_their_packet_ids(t):
    """Each client leaves a QoS 1 and QoS 2 in every phase behind; others wait behind the window."""
    before = {}
    for number in CLIENTS:
        client = t.persistent(f"s{number}", props={"receive_maximum": 4})
        client.subscribe((t.topic(f"{number}"), 2))
    publisher = t.connect("pub")
    for number in CLIENTS:
        for count in range(6):
            publisher.publish(t.topic(f"{number}"), f"{count}", qos=1 if count == 0 else 2)
    for number, client in zip(CLIENTS, list(t.clients)):
        before[number] = [client.expect(PUBLISH) for _ in range(4)]
        client.send(ack(PUBREC, before[number][2].packet_id))
        client.expect(PUBREL, packet_id=before[number][2].packet_id)
        client.send(ack(PUBREC, before[number][3].packet_id))
        client.expect(PUBREL, packet_id=before[number][3].packet_id)
        client.send(ack(PUBCOMP, before[number][3].packet_id))
        fifth = client.expect(PUBLISH, payload="4")
        before[number].append(fifth)
    for shards in chain(t):
        move(t, shards)
        for number in CLIENTS:
            client = t.persistent(f"s{number}", props={"receive_maximum": 4})
            first, second, third, _, fifth = before[number]
            for old in (first, second):
                again = client.expect(PUBLISH, payload=old.payload)
                t.equal((again.packet_id, again.dup, again.qos), (old.packet_id, True, old.qos))
            client.expect(PUBREL, packet_id=third.packet_id)
            again = client.expect(PUBLISH, payload=fifth.payload)
            t.equal((again.packet_id, again.dup), (fifth.packet_id, True))
            client.ping()
    for number, client in zip(CLIENTS, list(t.clients)):
        first, second, third, _, fifth = before[number]
        client.send(ack(PUBACK, first.packet_id))
        client.expect(PUBLISH, payload="5")
        client.send(ack(PUBREC, second.packet_id))
        client.expect(PUBREL, packet_id=second.packet_id)
        client.send(ack(PUBCOMP, third.packet_id))
        client.ping()


@private(bystander=False)
@only("sluiced")
def test_repeated_publish_is_not_delivered_twice(t):
    """QoS 2 of durable publishers in each of their phases; their packet ids are free afterwards."""
    for number in CLIENTS:
        t.persistent(f"s{number}").subscribe(t.topic("x"), qos=2)
    t.close()
    for number in CLIENTS:
        publisher = t.persistent(f"p{number}")
        publisher.send(publish(t.topic("x"), f"{number}", qos=2, packet_id=7, version=5))
        publisher.expect(PUBREC, packet_id=7)
        publisher.send(publish(t.topic("x"), f"{number + 100}", qos=2, packet_id=9, version=5))
        publisher.expect(PUBREC, packet_id=9)
        publisher.send(ack(PUBREL, 9))
        publisher.expect(PUBCOMP, packet_id=9)
    for turn, shards in enumerate(chain(t)):
        move(t, shards)
        for number in CLIENTS:
            publisher = t.persistent(f"p{number}")
            for _ in range(1 + turn % 2):
                publisher.send(publish(t.topic("x"), f"{number}", qos=2, packet_id=7, dup=True,
                                       version=5))
                publisher.expect(PUBREC, packet_id=7)
            publisher.send(ack(PUBREL, 9))
            publisher.expect(PUBCOMP, packet_id=9, reason=0x92)
    for number in CLIENTS:
        publisher = t.persistent(f"p{number}")
        publisher.send(ack(PUBREL, 7))
        publisher.expect(PUBCOMP, packet_id=7, reason=0)
    move(t, chain(t)[0])
    for number in CLIENTS:
        publisher = t.persistent(f"p{number}")
        publisher.send(publish(t.topic("x"), f"{number + 200}", qos=2, packet_id=7, version=5))
        publisher.expect(PUBREC, packet_id=7)
    want = sorted(number + base for number in CLIENTS for base in (0, 100, 200))
    for number in CLIENTS:
        client = t.persistent(f"s{number}")
        t.equal(sorted(numbers(client.take_all(len(want)))), want, f"subscriber {number}")
        t.quiet(client)


@private(bystander=False)
@only("sluiced")
def test_who_has_not_seen_a_message_gets_it_once(t):
    """The publisher's own shard has the message, and that shard only: sessions that come to one
    shard with it from elsewhere take it with the repetition, and not again with the next one."""
    if t.broker.shards == 1:
        raise Skip("one shard has all")
    publisher = t.persistent("p")
    publisher.send(publish(t.topic("x"), "1", qos=2, packet_id=7, version=5))
    publisher.expect(PUBREC, packet_id=7)
    got = {number: 0 for number in range(24)}
    for turn, shards in enumerate((1, 1, t.broker.shards)):
        move(t, shards)
        clients = {number: t.persistent(f"s{number}") for number in got}
        for client in clients.values():
            client.subscribe(t.topic("x"), qos=2)
        publisher = t.persistent("p")
        publisher.send(publish(t.topic("x"), "1", qos=2, packet_id=7, dup=True, version=5))
        publisher.expect(PUBREC, packet_id=7)
        t.settle()
        for number, client in clients.items():
            client.ping()
            while client.queue:
                packet = client.take(t.topic("x"), "1", qos=2)
                t.equal(turn, 0, f"{packet} comes again to {number}")
                got[number] += 1
    t.true(max(got.values()) == 1, f"never twice: {got}")
    share = sum(got.values()) / len(got)
    t.true(0.1 < share < 1, f"those of the other shards, and they only: {got}")
    publisher.send(ack(PUBREL, 7))
    publisher.expect(PUBCOMP, packet_id=7)
    publisher.send(publish(t.topic("x"), "2", qos=2, packet_id=7, version=5))
    publisher.expect(PUBREC, packet_id=7)
    for client in clients.values():
        client.take(t.topic("x"), "2", qos=2)


@private(bystander=False)
@only("sluiced")
def test_subscriptions_move(t):
    for number in CLIENTS:
        client = t.persistent(f"s{number}")
        client.subscribe(t.topic("1"), qos=1, props={"subscription_id": 9 + number})
        client.subscribe(t.topic("2/#"), qos=0)
        client.subscribe(t.topic("3"), qos=2)
        client.unsubscribe(t.topic("3"))
    for turn, shards in enumerate(chain(t)):
        move(t, shards)
        clients = [t.persistent(f"s{number}") for number in CLIENTS]
        publisher = t.connect("pub")
        publisher.publish(t.topic("3"), "gone", qos=1)
        publisher.publish(t.topic("2/x"), "b", qos=1)
        publisher.publish(t.topic("1"), "a", qos=1)
        for number, client in zip(CLIENTS, clients):
            by_payload = {packet.payload: packet for packet in client.take_all(2)}
            t.equal(by_payload[b"a"].prop("subscription_id"), 9 + number)
            t.equal(by_payload[b"b"].qos, 0)
        t.quiet(*clients)


@private(bystander=False)
@only("sluiced")
def test_shared_members_move(t):
    """The group goes on as one: who comes first gets what the others hold, of each in its order."""
    for number in CLIENTS:
        client = t.persistent(f"s{number}")
        client.subscribe(f"$share/g/{t.topic('x')}", qos=2)
        client.disconnect()
    publisher = t.connect("pub")
    for number in range(80):
        publisher.publish(t.topic("x"), f"{number}", qos=1 + number % 2)
    sent, got = 80, []
    for shards in chain(t):
        move(t, shards)
        publisher = t.connect("pub")
        for _ in range(20):
            publisher.publish(t.topic("x"), f"{sent}", qos=1 + sent % 2)
            sent += 1
    clients = [t.persistent(f"s{number}") for number in CLIENTS]
    got = [[] for _ in CLIENTS]
    for index, packet in t.gather(clients, sent):
        got[index] += numbers([packet])
    t.equal(sorted(sum(got, [])), list(range(sent)), "all of it, once")
    for index in CLIENTS:
        for giver in CLIENTS:  # they took turns
            first = [number for number in got[index]
                     if number < 80 and number % len(CLIENTS) == giver]
            t.equal(first, sorted(first), f"order at member {index}")
    t.quiet(*clients)


@private(bystander=False)
@only("sluiced")
def test_retained_moves(t):
    publisher = t.connect("pub")
    for number in range(24):
        publisher.publish(t.topic(f"{number}"), "old", qos=1, retain=True)
        publisher.publish(t.topic(f"{number}"), f"{number}", qos=number % 3, retain=True)
    for number in range(0, 24, 4):
        publisher.publish(t.topic(f"{number}"), "", qos=1, retain=True)
    publisher.publish(t.topic("soon"), "x", qos=1, retain=True, props={"message_expiry": 1})
    want = {t.topic(f"{number}"): f"{number}".encode() for number in range(24) if number % 4}
    time.sleep(1)
    for turn, shards in enumerate(chain(t)):
        move(t, shards, stop=turn == 1)
        client = t.connect("sub")
        client.subscribe(t.topic("#"), qos=2)
        got = client.take_all(len(want))
        t.equal({packet.topic: bytes(packet.payload) for packet in got}, want)
        t.quiet(client)
        # A value from before a move is replaced and deleted like any other.
        publisher = t.connect("pub")
        publisher.publish(t.topic(f"{4 * turn + 1}"), "", qos=1, retain=True)
        del want[t.topic(f"{4 * turn + 1}")]
        publisher.publish(t.topic(f"{4 * turn + 2}"), f"new{turn}", qos=1, retain=True)
        want[t.topic(f"{4 * turn + 2}")] = f"new{turn}".encode()


@private(bystander=False)
@only("sluiced")
def test_wills_move(t):
    watcher = t.persistent("w")
    watcher.subscribe(t.topic("will/#"), qos=1)
    watcher.disconnect()
    for number in CLIENTS:
        t.persistent(f"n{number}", will={"topic": t.topic(f"will/n{number}"), "payload": "now",
                                         "qos": 1})
        t.persistent(f"l{number}", will={"topic": t.topic(f"will/l{number}"), "payload": "later",
                                         "qos": 1, "props": {"will_delay": 4}})
        t.persistent(f"e{number}", expiry=2, will={
            "topic": t.topic(f"will/e{number}"), "payload": "end", "qos": 1,
            "props": {"will_delay": 300}})
        gone = t.persistent(f"g{number}", will={"topic": t.topic(f"will/g{number}"),
                                                "payload": "never", "qos": 1})
        gone.disconnect()
    began = time.monotonic()
    for shards in chain(t):
        move(t, shards)
    watcher = t.persistent("w", timeout=8)
    got = [packet.topic for packet in watcher.take_all(3 * len(CLIENTS))]
    t.true(time.monotonic() - began > 3, "the delay is kept")
    want = [t.topic(f"will/{kind}{number}") for kind in "nle" for number in CLIENTS]
    t.equal(sorted(got), sorted(want))
    t.quiet(watcher)


@private(bystander=False)
@only("sluiced")
def test_time_runs_on(t):
    """Sessions and messages expire although the broker is down or moving."""
    for number in CLIENTS:
        for name, expiry in (("a", 2), ("b", 300)):
            client = t.persistent(f"{name}{number}", expiry=expiry)
            client.subscribe(t.topic("x"), qos=1)
            client.disconnect()
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "short", qos=1, props={"message_expiry": 1})
    publisher.publish(t.topic("x"), "long", qos=1, props={"message_expiry": 300})
    began = time.time()
    for shards in chain(t):
        move(t, shards)
    time.sleep(max(0, began + 3 - time.time()))
    move(t, chain(t)[0])
    for number in CLIENTS:
        t.equal(t.persistent(f"a{number}", expiry=2).connack.session_present, False)
        client = t.persistent(f"b{number}")
        t.equal(client.connack.session_present, True)
        packet = client.take(t.topic("x"), "long", qos=1)
        t.true(290 <= packet.prop("message_expiry") < 300, f"{packet.prop('message_expiry')}")
        t.quiet(client)


# ---- what goes wrong ----

def attempt(t, shards):
    """A start with so many shards that nobody waits for."""
    chain(t)
    t.broker.shards = shards
    with open(t.broker.stderr_path, "ab") as err:
        return subprocess.Popen(t.broker.command + t.broker.configuration(),
                                stdin=subprocess.DEVNULL, stdout=err, stderr=err)


def fill(t, count, size=1000):
    """Queues and retained messages of that much; `check_filled` finds them again."""
    for number in CLIENTS:
        client = t.persistent(f"s{number}")
        client.subscribe(t.topic("x"), qos=1 + number % 2)
        client.disconnect()
    publisher = t.connect("pub")
    for number in range(count):
        publisher.publish(t.topic("x"), f"{number} " + "x" * size, qos=2)
        publisher.publish(t.topic(f"r/{number}"), "kept", qos=1, retain=True)
    t.close()


def check_filled(t, count):
    for number in CLIENTS:
        client = t.persistent(f"s{number}")
        t.equal(client.connack.session_present, True, "session present")
        t.equal(numbers(client.take_all(count)), list(range(count)), f"client {number}")
        t.quiet(client)
    client = t.connect("reader")
    client.subscribe(t.topic("r/#"), qos=1)
    t.equal(len({packet.topic for packet in client.take_all(count)}), count, "retained")


@private(bystander=False)
@only("sluiced")
@slow
def test_killed_while_moving(t):
    """Wherever the move is interrupted: either generation is whole."""
    count = 100
    fill(t, count)
    t.broker.kill()
    stages = set()
    longest = 0.6  # then about as long as a move takes here
    for number in range(24):
        old = generation(t)
        process = attempt(t, chain(t)[number % 3])
        time.sleep(t.random.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        process.wait()
        stages.add((generation(t) != old, len(logs(t))))
        longest *= 0.8 if generation(t) != old else 1.25
    move(t, chain(t)[0])
    check_filled(t, count)
    t.equal(len(logs(t)), 1, "one generation is left")
    t.true(len(stages) > 1, f"it was always killed in the same stage: {stages}")


@private(bystander=False)
@only("sluiced")
@cases([("rest of an unfinished one", "2"), ("rest of the old one", "0")])
def test_leftovers_are_removed(t, number):
    """What a crash before or after the decision leaves of the generation that is not in force."""
    fill(t, 10)
    t.broker.kill()
    path = os.path.join(t.broker.data, "log", number, "0")
    os.makedirs(path)
    with open(os.path.join(path, "0000000001.wal"), "wb") as out:
        out.write(b"SluiceWL" + os.urandom(100000))
    move(t, chain(t)[0])
    check_filled(t, 10)
    t.equal(logs(t), ["2"])


@private(bystander=False)
@only("sluiced")
@options(data=80)
def test_no_room_to_move(t):
    """Both generations must fit: else the start says so, and nothing has been changed."""
    fill(t, 60, size=50000)
    before = t.broker.shards
    t.equal(t.broker.terminate(), 0)
    room = os.path.join(t.broker.data, "room")
    take_room(room)
    os.truncate(room, os.path.getsize(room) - MIB)
    other = chain(t)[1]
    t.broker.shards = other
    words = t.broker.refusal()
    t.true(f"by {before} shard" in words and f"go on with {other}" in words and
           f"--shards {before}" in words, words)
    t.equal((generation(t)["shards"], logs(t)), (str(before), ["1"]))
    os.remove(room)
    move(t, before)
    move(t, other)
    check_filled(t, 60)


@private(bystander=False)
@only("sluiced")
@options(data=160)
def test_disk_fills_up_while_moving(t):
    """What was found to fit does not any more: the start fails, and the next one goes on."""
    before, other = t.broker.shards, chain(t)[1]
    fill(t, 120, size=50000)
    t.equal(t.broker.terminate(), 0)
    process = attempt(t, other)
    while len(logs(t)) < 2 and process.poll() is None:
        pass
    room = os.statvfs(t.broker.data)
    while not resize(t, shrink(os.statvfs(t.broker.data))):
        pass
    t.equal(process.wait(timeout=30), 1, "exit code")
    t.true("No space left on device" in t.broker.stderr(), t.broker.stderr())
    t.equal((generation(t)["shards"], logs(t)), (str(before), ["1"]), "the old one is in force")
    t.true(resize(t, room.f_blocks * room.f_frsize), "room again")
    move(t, before)
    move(t, other)
    check_filled(t, 120)


def shrink(room):
    """A size that leaves next to nothing."""
    return (room.f_blocks - room.f_bfree) * room.f_frsize + 65536


def resize(t, size):
    done = subprocess.run(["mount", "-o", f"remount,size={size}", t.broker.data],
                          stderr=subprocess.DEVNULL)
    return done.returncode == 0
