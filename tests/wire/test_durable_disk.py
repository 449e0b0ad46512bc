"""Disks that are full, closed or damaged: what is refused, what goes on, and how it ends.

A test has a file system of its own (a tmpfs) as data directory, so that it can be full; a file of
the test's own takes the room and gives it back. Where none can be mounted, such tests are skipped.
"""

import glob
import os
import subprocess
import threading
import time

from harness import Skip, cases, only, options, private, timed
from mqtt_wire import (CONNACK, DISCONNECT, PUBACK, Closed, Failure, TimedOut, connect, publish)
from test_metrics import scrape, until

OPTIONS = {"data": True, "max_mqueue_len": "infinity", "max_mqueue_bytes": "infinity"}
MIB = 1 << 20
BODY = "x" * 16000
WINDOW = 16
ALARM = 'sluice_alarm{name="log_failing"}'


# ------------------------------------------------------------------------------- who publishes

class Pair(threading.Thread):
    """Clean clients, publisher and subscriber, that play ping and pong at QoS 0 and 1."""

    def __init__(self, t):
        super().__init__()
        self.publisher, self.subscriber = t.connect("ping"), t.connect("pong")
        self.topic, self.rounds, self.longest, self.error = t.topic("pair"), 0, 0.0, None
        self.subscriber.subscribe(self.topic, qos=1)
        self.ending = False

    def run(self):
        try:
            while not self.ending:
                began = time.monotonic()
                self.publisher.publish(self.topic, f"{self.rounds}", qos=self.rounds % 2)
                self.subscriber.take(self.topic, f"{self.rounds}")
                self.longest = max(self.longest, time.monotonic() - began)
                self.rounds += 1
        except (Failure, OSError) as error:
            self.error = error

    def end(self, t):
        self.ending = True
        self.join()
        t.true(self.error is None, f"the clean pair: {self.error}")
        t.true(self.rounds > 20, f"the clean pair played only {self.rounds} times")
        t.true(self.longest < 1.0, f"the clean pair waited {self.longest:.2f} s")


class Filler:
    """Publishes numbered messages of QoS 1, a window at a time, and counts acknowledgements."""

    def __init__(self, t, topic, version):
        self.t, self.topic, self.version = t, topic, version
        self.number, self.acknowledged, self.refused, self.ended = 0, [], 0, 0
        self.client, self.waiting = None, {}

    def send(self):
        if self.client is None:
            self.client = self.t.connect(f"fill{self.version}", version=self.version)
            self.waiting = {}
        packet_id = self.client.next_id()
        self.waiting[packet_id] = self.number
        self.client.send(publish(self.topic, f"{self.number} {BODY}", qos=1, packet_id=packet_id,
                                 version=self.version))
        self.number += 1

    def receive(self):
        try:
            got = self.client.recv(10)
        except Closed:
            self.t.equal(self.version, 4, "the version that ends without a word")
            self.ended += 1
            self.client = None
            return
        if got.type == DISCONNECT:
            self.t.true(got.reason in (0x97, 0x83), f"the reason: {got}")
            self.client.expect_close()
            self.ended += 1
            self.client = None
            return
        self.t.equal(got.type, PUBACK)
        number = self.waiting.pop(got.packet_id)
        if got.reason == 0:
            self.acknowledged.append(number)
        else:
            self.t.equal(got.reason, 0x97)
            self.refused += 1

    def step(self):
        while self.client is None or len(self.waiting) < WINDOW:
            self.send()
        while self.client is not None and len(self.waiting) > WINDOW // 2:
            self.receive()

    def until_refused(self, limit_s=20):
        refused, ended, deadline = self.refused, self.ended, time.monotonic() + limit_s
        while self.refused == refused and self.ended == ended:
            self.t.true(time.monotonic() < deadline, f"never full after {self.number} messages")
            self.step()
        self.drain()

    def until_acknowledged(self, limit_s=10):
        count, deadline = len(self.acknowledged), time.monotonic() + limit_s
        while len(self.acknowledged) == count:
            self.t.true(time.monotonic() < deadline, "nothing is acknowledged again")
            self.send()
            while self.client is not None and self.waiting:
                self.receive()
            time.sleep(0.02)

    def drain(self):
        while self.client is not None and self.waiting:
            self.receive()


def take_room(path):
    """A file that leaves nothing."""
    with open(path, "wb", buffering=0) as out:
        for size in (MIB, 4096):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                pass


def check_nothing_lost(t, *fillers):
    """After kill -9: all that was acknowledged is there, once, in the order of each publisher."""
    t.close()
    t.broker.crash()
    client = t.persistent("offline", version=5, timeout=10)
    t.equal(client.connack.session_present, True, "session present")
    got = {filler.topic: [] for filler in fillers}
    try:
        while True:
            packet = client.take(timeout=1)
            got[packet.topic].append(int(bytes(packet.payload).split(b" ")[0]))
    except TimedOut:
        client.ping()
    for filler in fillers:
        have = got[filler.topic]
        t.equal(have, sorted(set(have)), "order, no repetition")
        lost = sorted(set(filler.acknowledged) - set(have))
        t.equal(lost, [], f"lost, of {len(filler.acknowledged)} acknowledged")


def new_sessions(t, version, code):
    """How many of 16 new durable sessions, of all shards, are answered with that code; the others
    have the log of another shard, which takes them."""
    found = 0
    for number in range(16):
        client = t.socket(version=version)
        props = {"session_expiry": 60} if version == 5 else None
        client.send(connect(t.id(f"new{version}c{code}n{number}"), version=version, clean=False,
                            props=props))
        got = client.expect(CONNACK, reason={0, code})
        found += got.reason == code
        client.abandon()
    return found


def full_and_back(t, fill, free):
    client = t.persistent("offline", version=5)
    for version in (4, 5):
        client.subscribe(t.topic(f"x/{version}"), qos=1)
    client.disconnect()
    t.equal(scrape(t)[ALARM], 0, "alarm at first")
    fillers = [Filler(t, t.topic(f"x/{version}"), version) for version in (4, 5)]
    pair = Pair(t)
    pair.start()
    for filler in fillers:
        filler.step()
        filler.drain()
        t.true(filler.acknowledged, "acknowledged before")
    fill()
    for filler in fillers:
        filler.until_refused()
    old, new = fillers
    t.true(old.ended > 0 and old.refused == 0, "MQTT 3.1.1 ends without an acknowledgement")
    t.true(new.refused + new.ended > 0, "MQTT 5 is refused")
    until(t, lambda found: found[ALARM] == 1, "no alarm")
    for version, code in ((4, 3), (5, 0x97)):
        t.true(new_sessions(t, version, code) > 0, f"all new sessions taken, version {version}")
    errors = scrape(t)["sluice_wal_errors_total"]
    time.sleep(0.5)
    errors = scrape(t)["sluice_wal_errors_total"] - errors
    t.true(errors <= 4 * t.broker.shards, f"{errors} attempts in half a second")
    if free is not None:
        free()
        for filler in fillers:
            filler.until_acknowledged()
        until(t, lambda found: found[ALARM] == 0, "the alarm stays")
        t.equal([new_sessions(t, version, 0) for version in (4, 5)], [16, 16], "new sessions")
    pair.end(t)
    check_nothing_lost(t, *fillers)
    until(t, lambda found: found[ALARM] == 0, "the alarm stays")
    for filler in fillers:
        filler.client = None
        filler.until_acknowledged()


@only("sluiced")
@private(bystander=False)
@options(data=24, admin=True)
@timed
def test_full_disk(t):
    room = os.path.join(t.broker.data, "room")
    full_and_back(t, lambda: take_room(room), lambda: os.remove(room))


def start_without_room(t, room):
    """kill -9, and a start on a disk that has no room for a segment of any shard."""
    t.broker.kill()
    for path in glob.glob(os.path.join(t.broker.data, "log", "*", "*", "*.wal")):
        with open(path, "rb") as log:
            is_ahead = not any(log.read(4096))
        if is_ahead:
            os.remove(path)  # as the start would, which then had room
    take_room(room)
    t.broker.crash()


def serves_but_refuses(t):
    """With all shards' logs failing: what goes on, and what does not."""
    until(t, lambda found: found[ALARM] == 1, "no alarm")
    until(t, lambda found: found["sluice_log_refusing"] == t.broker.shards, "a log takes records")
    pair = Pair(t)
    pair.start()
    for version, code in ((4, 3), (5, 0x97)):
        t.equal(new_sessions(t, version, code), 16, f"new sessions refused, version {version}")
        client = t.socket(version=version)
        client.send(connect(t.id("offline"), version=version, clean=False,
                            props={"session_expiry": 600} if version == 5 else None))
        client.expect(CONNACK, reason=code)
        client.abandon()
        Filler(t, t.topic(f"x/{version}"), version).until_refused()
    subscriber = t.connect("reader")
    subscriber.subscribe(t.topic("kept"), qos=1)
    subscriber.take(t.topic("kept"), "value")
    time.sleep(0.3)
    pair.end(t)


@only("sluiced")
@private(bystander=False)
@options(data=24, admin=True)
def test_start_on_a_full_disk(t):
    """It comes up with what it has, serves clean sessions, refuses what would have to be logged,
    and goes on by itself when there is room."""
    room = os.path.join(t.broker.data, "room")
    client = t.persistent("offline", version=5)
    for version in (4, 5):
        client.subscribe(t.topic(f"x/{version}"), qos=1)
    client.disconnect()
    t.connect("setter").publish(t.topic("kept"), "value", qos=1, retain=True)
    fillers = [Filler(t, t.topic(f"x/{version}"), version) for version in (4, 5)]
    for filler in fillers:
        filler.step()
        filler.drain()
    t.close()
    start_without_room(t, room)
    serves_but_refuses(t)
    said = t.broker.stderr()
    t.true(said.count("the log begins without room on the disk") == t.broker.shards, said)
    t.close()
    t.broker.crash()  # once more, with nothing written in between
    serves_but_refuses(t)
    os.remove(room)
    for filler in fillers:
        filler.client = None
        filler.until_acknowledged()
    until(t, lambda found: found[ALARM] == 0, "the alarm stays")
    t.equal([new_sessions(t, version, 0) for version in (4, 5)], [16, 16], "new sessions")
    check_nothing_lost(t, *fillers)


@only("sluiced")
@private(bystander=False)
@options(data=24, admin=True)
def test_first_start_on_a_full_disk(t):
    """A data directory that is not there yet needs room; the refusal says so."""
    data = t.broker.data
    t.broker.kill()
    room = os.path.join(data, "room")
    take_room(room)
    t.broker.data = os.path.join(data, "new")
    try:
        words = t.broker.refusal()
    finally:
        t.broker.data = data
    t.true("No space left on device" in words, words)
    os.remove(room)
    t.broker.crash()


@only("sluiced")
@private(bystander=False)
@options(admin=True, durability={"max_disk_bytes": "64MB"})
@timed
def test_limit_of_disk_bytes(t):
    full_and_back(t, lambda: None, None)


def comes_back(t, will):
    """What CONNACK says to the session that is there."""
    client = t.socket(version=5)
    client.send(connect(t.id("offline"), clean=False, will=will,
                        props={"session_expiry": 600, "receive_maximum": 1}))
    reason = client.expect(CONNACK, reason={0, 0x97}).reason
    client.abandon()
    return reason


@only("sluiced")
@private(bystander=False)
@options(admin=True, durability={"max_disk_bytes": "64MB"})
def test_sessions_that_come_back_to_a_full_log(t):
    """They may, but what they write has a budget, which the next checkpoint brings back. A will of
    64 KiB, all but nothing of it payload, lets 4 to 16 of them spend it."""
    client = t.persistent("offline", version=5)
    client.subscribe(t.topic("x"), qos=1)
    client.disconnect()
    filler = Filler(t, t.topic("x"), 5)
    filler.until_refused()
    will = {"topic": t.topic("will"), "props": {"correlation_data": b"x" * 64000}}
    t.equal(comes_back(t, None), 0, "with room")
    count = 0
    while comes_back(t, will) == 0:
        count += 1
        t.true(count < 40, "no end to the room of a full log")
    t.true(count > 0, "refused at once")
    t.equal(scrape(t)["sluice_log_refusing"], 1, "the log that is full")
    deadline = time.monotonic() + 10
    while comes_back(t, will) != 0:
        t.true(time.monotonic() < deadline, "refused although there was a checkpoint")
        time.sleep(0.1)


@only("sluiced")
@private(bystander=False)
def test_directory_of_another_broker(t):
    words = t.broker.refusal()
    t.true(t.broker.data in words and "in use by another broker" in words, words)
    t.persistent("a").ping()


@only("sluiced")
@private(bystander=False)
@options(data=24)
def test_file_system_that_is_read_only(t):
    t.persistent("a").disconnect()
    t.close()
    t.equal(t.broker.terminate(), 0)
    remount(t, "ro")
    words = t.broker.refusal()
    remount(t, "rw")
    t.true(t.broker.data in words and "Read-only file system" in words, words)
    t.broker.crash()
    t.equal(t.persistent("a").connack.session_present, True)


def remount(t, how):
    subprocess.run(["mount", "-o", f"remount,{how}", t.broker.data], check=True)


@only("sluiced")
@private(bystander=False)
@cases([("data", ""), ("log", "log"), ("shard", "log/1/0")])
def test_directory_without_permission(t, part):
    """The directory is another user's, or a part of it is: the start says which, and why."""
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    t.persistent("a").disconnect()
    t.close()
    t.equal(t.broker.terminate(), 0)
    closed = os.path.join(t.broker.data, part) if part else t.broker.data
    subprocess.run(["chown", "-R", "65534:65534", t.broker.folder], check=True)
    os.chown(closed, 0, 0)
    os.chmod(closed, 0o700)
    before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    try:
        words = t.broker.refusal(command=before + t.broker.command)
    finally:
        subprocess.run(["chown", "-R", "0:0", t.broker.folder], check=True)
    t.true(closed in words and "Permission denied" in words, words)
    t.broker.crash()
    t.equal(t.persistent("a").connack.session_present, True)


# ------------------------------------------------------------------------------------- damage

def commits(t, count):
    """An offline session with so many messages, each a commit; the broker is killed. Which file
    has them, and where each payload lies in it."""
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=1)
    client.disconnect()
    publisher = t.connect("pub")
    for number in range(count):
        publisher.publish(t.topic("x"), f"<message {number}>", qos=1)
    t.close()
    t.broker.kill()
    for path in glob.glob(os.path.join(t.broker.data, "log", "*", "*", "*.wal")):
        with open(path, "rb") as log:
            data = log.read()
        places = [data.find(b"<message %d>" % number) for number in range(count)]
        if places[0] >= 0:
            t.true(min(places) > 0, "all messages in one file")
            return path, places
    raise Failure("no file has the messages")


def payloads(t, count):
    client = t.persistent("a")
    got = [bytes(packet.payload).decode() for packet in client.take_all(count)]
    t.quiet(client)
    return got


@only("sluiced")
@private(bystander=False)
def test_damage_in_the_middle(t):
    path, places = commits(t, 20)
    with open(path, "r+b") as log:
        log.seek(places[10])
        log.write(b"<MESSAGE")
    words = t.broker.refusal()
    t.true(path in words, f"no file: {words}")
    offset = places[10] // 4096 * 4096
    t.true(str(offset) in words, f"no offset {offset}: {words}")
    t.broker.more = ["--recover", "skip-damaged"]
    t.broker.crash()
    said = [line for line in t.broker.says("damaged, skipped").splitlines()
            if "damaged, skipped" in line]
    t.true(len(said) == 1 and path in said[0] and str(offset) in said[0], f"said: {said}")
    t.equal(payloads(t, 19), [f"<message {i}>" for i in range(20) if i != 10])
    t.broker.more = []
    t.broker.kill()
    t.close()
    t.broker.refusal()
    t.broker.more = ["--recover", "skip-damaged"]
    t.broker.crash()


@only("sluiced")
@private(bystander=False)
@cases([("cut", True), ("torn", False)])
def test_tail_that_is_missing(t, cut):
    path, places = commits(t, 20)
    if cut:
        os.truncate(path, places[19] + 4)
    else:
        with open(path, "r+b") as log:
            log.seek(places[19])
            log.write(b"<MESSAGE")
    before = t.broker.stderr()
    t.broker.crash()
    time.sleep(0.2)  # for what the broker has to say
    t.equal(t.broker.stderr(), before, "words")
    t.equal(payloads(t, 19), [f"<message {i}>" for i in range(19)])
