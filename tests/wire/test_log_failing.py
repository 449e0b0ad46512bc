"""A log whose writes fail while the broker runs: what each event that changes durable state
answers, and that a crash brings nothing back of which somebody was told that it is gone.

The table is the one that begins with "While the log fails" in the section "When the disk is full,
or fails" of ops/docs/durability.md; each of its rows has a test here. (Of users, a full disk is in
test_control.py; of CONNECT, a log that is full and does not fail in test_durable_disk.py.) The
process is forbidden to write beyond the first block of a file (RLIMIT_FSIZE), so that the kernel
fails each commit (EFBIG, or a short write), and is allowed to again.
"""

import resource
import time

from harness import cases, only, options, private
from mqtt_wire import (CONNACK, DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK,
                       UNSUBACK, ack, connect, publish, subscribe, unsubscribe)
from test_control import QUICK, USERS, add, form
from test_durable_disk import ALARM, Pair
from test_metrics import until

OPTIONS = {"data": True, "admin": True}
VERSIONS = [("v4", 4), ("v5", 5)]
BLOCK = 4096


def allow(t, size):
    resource.prlimit(t.broker.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fail(t, **login):
    """From here on the logs of all shards fail, and say so."""
    allow(t, BLOCK)
    for number in range(16):  # some for each shard: a commit that fails
        client = t.socket(version=5)
        client.send(connect(t.id(f"fail{number}"), clean=False, props={"session_expiry": 60},
                            **login))
    until(t, lambda found: found["sluice_wal_failing"] == t.broker.shards, "a log does not fail")
    until(t, lambda found: found[ALARM] == 1, "no alarm")


def recover(t):
    allow(t, resource.RLIM_INFINITY)
    until(t, lambda found: found["sluice_wal_failing"] == 0, "a log still fails")
    until(t, lambda found: found[ALARM] == 0, "the alarm stays")


def answer(t, suffix, version, clean, expiry=0):
    """What CONNACK says: (code, session present)."""
    client = t.socket(version=version)
    props = {"session_expiry": expiry} if version == 5 else None
    client.send(connect(t.id(suffix), version=version, clean=clean, props=props))
    got = client.expect(CONNACK)
    client.abandon()
    return got.reason, got.session_present


def refusal(version):
    return (0x97 if version == 5 else 3), False


def present(t, suffix, version):
    client = t.persistent(suffix, version=version)
    client.disconnect()
    return client.connack.session_present


def until_gone(t, suffix, version, clean):
    """The end that waited for the log comes within moments."""
    deadline = time.monotonic() + 5
    while answer(t, suffix, version, clean)[0] != 0:
        t.true(time.monotonic() < deadline, "the log works, and the session does not end")
        time.sleep(0.1)


@only("sluiced")
@private(bystander=False)
def test_writes_that_fail_and_work_again(t):
    """Clean sessions go on, what was acknowledged before is there, nothing else is claimed."""
    client = t.persistent("a", version=5)
    client.subscribe(t.topic("x"), qos=1)
    client.disconnect()
    t.connect("pub", version=5).publish(t.topic("x"), "before", qos=1)
    pair = Pair(t)
    pair.start()
    fail(t)
    for version in (4, 5):
        t.equal(answer(t, "new", version, clean=False, expiry=60), refusal(version), "new")
        t.equal(answer(t, "a", version, clean=False, expiry=60), refusal(version), "a known one")
    publisher = t.connect("pub5", version=5)
    publisher.send(publish(t.topic("x"), "refused", qos=1, packet_id=1))
    t.true((got := publisher.recv()).type in (PUBACK, DISCONNECT) and got.reason in (0x97, 0x83),
           f"{got}")
    publisher = t.connect("pub4", version=4)
    publisher.send(publish(t.topic("x"), "refused", qos=1, packet_id=1, version=4))
    publisher.expect_close()
    time.sleep(0.3)
    pair.end(t)
    recover(t)
    t.connect("pub", version=5).publish(t.topic("x"), "after", qos=1)
    t.close()
    t.broker.crash()
    client = t.persistent("a", version=5)
    got = [client.take().payload for _ in range(2)]
    t.equal(got, [b"before", b"after"])


@only("sluiced")
@private(bystander=False)
@cases(VERSIONS)
def test_clean_start_that_ends_a_durable_session(t, version):
    for suffix in ("away", "there"):
        t.persistent(suffix, version=version).disconnect()
    there = t.persistent("there", version=version)
    fail(t)
    for suffix in ("away", "there"):
        t.equal(answer(t, suffix, version, clean=True), refusal(version), suffix)
        t.equal(answer(t, suffix, version, clean=True, expiry=60)[0], 0x97 if version == 5 else 3)
    there.ping()
    t.close()
    t.broker.crash()
    t.equal([present(t, suffix, version) for suffix in ("away", "there")], [True, True])
    fail(t)
    recover(t)
    for suffix in ("away", "there"):
        t.equal(answer(t, suffix, version, clean=True), (0, False), suffix)
    t.broker.crash()
    t.equal([present(t, suffix, version) for suffix in ("away", "there")], [False, False])


@only("sluiced")
@private(bystander=False)
@cases([("disconnect", True), ("expiry", False)])
def test_session_that_is_over(t, at_once):
    """Its client ends it, or its time is over. Who asks for it is not told that it is gone before
    that is in the log."""
    client = t.persistent("a", version=5, expiry=60 if at_once else 1)
    client.subscribe(t.topic("x"), qos=1)
    fail(t)
    client.disconnect(0, props={"session_expiry": 0} if at_once else None)
    time.sleep(0.1 if at_once else 1.2)
    t.equal(answer(t, "a", 5, clean=False), refusal(5))
    t.equal(answer(t, "a", 5, clean=True), refusal(5))
    recover(t)
    until_gone(t, "a", 5, clean=False)
    t.close()
    t.broker.crash()
    t.equal(present(t, "a", 5), False)


@only("sluiced")
@private(bystander=False)
@cases([("shorter", 1, 60), ("longer", 60, 1)])
def test_other_expiry_with_disconnect(t, now, before):
    """DISCONNECT has no answer: it holds until a crash, and after that if the log has worked."""
    for suffix in ("a", "b"):
        t.persistent(suffix, version=5, expiry=before).disconnect()
    clients = [t.persistent(suffix, version=5, expiry=before) for suffix in ("a", "b")]
    fail(t)
    clients[0].disconnect(0, props={"session_expiry": now})
    recover(t)
    clients[1].disconnect(0, props={"session_expiry": now})
    t.close()
    time.sleep(2)
    t.broker.crash()
    for suffix in ("a", "b"):
        client = t.connect(suffix, version=5, clean=False)
        t.equal(client.connack.session_present, now > 1, suffix)


@only("sluiced")
@private(bystander=False)
@cases(VERSIONS)
def test_subscriptions(t, version):
    client = t.persistent("a", version=version)
    client.subscribe(t.topic("old"), qos=1)
    fail(t)
    client.send(subscribe(1, [(t.topic("new"), 1)], version=version))
    client.expect(SUBACK, reasons=[0x97 if version == 5 else 0x80])
    client.send(unsubscribe(2, [t.topic("old")], version=version))
    if version == 5:
        client.expect(UNSUBACK, reasons=[0x83])
    else:
        client.expect_close()  # its UNSUBACK cannot say that it failed
    t.close()
    t.broker.crash()
    client = t.persistent("a", version=version)
    publisher = t.connect("pub", version=version)
    publisher.publish(t.topic("new"), "new", qos=1)
    publisher.publish(t.topic("old"), "old", qos=1)
    client.take(t.topic("old"), "old")
    t.quiet(client)


@only("sluiced")
@private(bystander=False)
def test_wills(t):
    """The one of a connection that is lost comes to clean sessions at once, and to a durable one
    when its log works again, also after a crash. A new one is refused with its CONNECT."""
    for suffix in ("away", "away2", "away3"):
        client = t.persistent(suffix)
        client.subscribe(t.topic("will"), qos=1)
        client.disconnect()
    watcher = t.subscriber(t.topic("will"), qos=1)
    will = {"topic": t.topic("will"), "payload": "gone", "qos": 1}
    client = t.persistent("a", will=will)
    fail(t)
    client.reset()
    watcher.take(payload="gone")
    client = t.socket(version=5)
    client.send(connect(t.id("b"), clean=False, will=will, props={"session_expiry": 60}))
    client.expect(CONNACK, reason=0x97)
    t.close()
    t.broker.crash()
    for suffix in ("away", "away2", "away3"):
        client = t.persistent(suffix)
        client.take(payload="gone", timeout=10)
        t.quiet(client)


@only("sluiced")
@private(bystander=False)
@cases(VERSIONS)
def test_retained_messages(t, version):
    """Set and deleted for who is there, which is not acknowledged: after a crash they are as they
    were, or as they are now if the log has worked in between."""
    setter = t.connect("setter", version=version)
    for name in ("kept", "gone"):
        setter.publish(t.topic(name), "old", qos=1, retain=True)
    fail(t)

    def change(topic, payload):
        client = t.connect("changer", version=version)
        client.send(publish(topic, payload, qos=1, packet_id=1, retain=True, version=version))
        if version == 5:
            got = client.recv()
            t.true(got.type in (PUBACK, DISCONNECT) and got.reason in (0x97, 0x83), f"{got}")
        else:
            client.expect_close()

    def values(suffix):
        client = t.connect(suffix, version=version)
        client.subscribe(t.topic("kept"), t.topic("gone"), t.topic("set"), qos=1)
        client.ping()
        found = {packet.topic: bytes(packet.payload) for packet in client.queue}
        client.abandon()
        return [found.get(t.topic(name)) for name in ("kept", "gone", "set")]

    change(t.topic("gone"), "")
    change(t.topic("set"), "new")
    t.equal(values("r1"), [b"old", None, b"new"], "for who is there")
    t.close()
    t.broker.kill()
    t.broker.crash()
    t.equal(values("r2"), [b"old", b"old", None], "after a crash")
    fail(t)
    change(t.topic("gone"), "")
    t.equal(values("r3"), [b"old", None, None], "deleted again")
    recover(t)
    time.sleep(2)  # for the checkpoints that bring the logs up to date
    t.close()
    t.broker.crash()
    t.equal(values("r4"), [b"old", None, None], "after a checkpoint and a crash")


@only("sluiced")
@private(bystander=False)
def test_bans_by_the_control_socket(t):
    ban = {"as": "clientid", "who": t.id("x")}
    t.equal(t.broker.api("POST", "/banned", {**ban, "who": t.id("y")})[0], 200)
    fail(t)
    status, words = t.broker.api("POST", "/banned", ban)
    t.equal(status, 503, f"{words}")
    status, words = t.broker.api("DELETE", f"/banned/clientid/{t.id('y')}")
    t.equal(status, 503, f"{words}")
    t.equal(t.connect("x", version=5).connack.reason, 0)
    t.equal(answer(t, "y", 5, clean=True)[0], 0x8A)
    t.broker.crash()
    t.equal(answer(t, "x", 5, clean=True)[0], 0)
    t.equal(answer(t, "y", 5, clean=True)[0], 0x8A)


@only("sluiced")
@private(bystander=False)
@cases([("crash", False), ("recovery", True)])
def test_acknowledgement_of_a_subscriber(t, recovers):
    """It holds in memory. After a crash the message comes again, unless the log has worked."""
    client = t.persistent("a", version=5)
    client.subscribe(t.topic("x"), qos=1)
    t.connect("pub", version=5).publish(t.topic("x"), "one", qos=1)
    got = client.recv()
    t.equal(bytes(got.payload), b"one")
    fail(t)
    client.answer(got)
    client.ping()
    if recovers:
        recover(t)
        time.sleep(2)  # for the checkpoint that brings the log up to date
    t.close()
    t.broker.crash()
    client = t.persistent("a", version=5)
    if recovers:
        t.quiet(client)
    else:
        client.take(t.topic("x"), "one", dup=True)


@only("sluiced")
@private(bystander=False)
@cases([("crash", False), ("recovery", True)])
def test_will_that_disconnect_deletes(t, recovers):
    """It holds in memory. After a crash the will goes out, unless the log has worked."""
    client = t.persistent("away", version=5)
    client.subscribe(t.topic("will"), qos=1)
    client.disconnect()
    watcher = t.subscriber(t.topic("will"), qos=1)
    client = t.persistent("a", version=5,
                          will={"topic": t.topic("will"), "payload": "gone", "qos": 1})
    fail(t)
    client.disconnect()
    t.quiet(watcher)
    if recovers:
        recover(t)
        time.sleep(2)  # for the checkpoint that brings the log up to date
    t.close()
    t.broker.crash()
    client = t.persistent("away", version=5)
    if not recovers:
        client.take(payload="gone", timeout=10)
    t.quiet(client)


@only("sluiced")
@private(bystander=False)
@cases(VERSIONS)
def test_pubrec_of_a_subscriber(t, version):
    """No PUBREL: its connection ends, and the exchange begins again when the log works."""
    client = t.persistent("a", version=version)
    client.subscribe(t.topic("x"), qos=2)
    t.connect("pub", version=5).publish(t.topic("x"), "one", qos=2)
    got = client.expect(PUBLISH, qos=2)
    fail(t)
    client.send(ack(PUBREC, got.packet_id))
    client.expect_error(0x97)
    recover(t)
    client = t.persistent("a", version=version)
    t.equal(client.connack.session_present, True)
    client.take(t.topic("x"), "one", dup=True)
    client.ping()
    t.quiet(client)


@only("sluiced")
@private(bystander=False)
@cases(VERSIONS)
def test_pubrel_of_a_publisher(t, version):
    """No PUBCOMP: its connection ends, and the exchange goes on when the log works."""
    watcher = t.subscriber(t.topic("x"), qos=2)
    client = t.persistent("a", version=version)
    client.send(publish(t.topic("x"), "one", qos=2, packet_id=7, version=version))
    client.expect(PUBREC, packet_id=7)
    watcher.take(t.topic("x"), "one")
    fail(t)
    client.send(ack(PUBREL, 7))
    client.expect_error(0x97)
    recover(t)
    client = t.persistent("a", version=version)
    client.send(publish(t.topic("x"), "one", qos=2, packet_id=7, dup=True, version=version))
    client.expect(PUBREC, packet_id=7)
    client.send(ack(PUBREL, 7))
    client.expect(PUBCOMP, packet_id=7)
    t.quiet(watcher)


@only("sluiced")
@options(authentication=[QUICK])
@private(bystander=False)
def test_users_by_the_control_socket(t):
    def code(suffix, user):
        client = t.socket(version=5)
        client.send(connect(t.id(suffix), username=user, password=b"pw"))
        return client.expect(CONNACK).reason

    add(t, "ann")
    fail(t, username="ann", password=b"pw")
    changes = [("POST", USERS, {"user_id": "bob", "password_hash": form("pw")}),
               ("PUT", f"{USERS}/ann", {"password_hash": form("other")}),
               ("DELETE", f"{USERS}/ann", None)]
    for method, path, body in changes:
        status, words = t.broker.api(method, path, body)
        t.equal(status, 503, f"{method}: {words}")
    t.equal((code("a", "ann"), code("b", "bob")), (0, 0x86))
    t.broker.crash()
    t.equal((code("a", "ann"), code("b", "bob")), (0, 0x86), "after a crash")
