"""Compaction: queues that nobody takes do not keep the log of what everybody else has taken.

Some sessions are offline and their messages few; others take whatever comes at once, a hundred
times as much. The limit of disk space makes segments small, so that there are many: without
compaction each of them would stay for the sake of the few, and soon nothing would be accepted.
"""

import time

from harness import only, options, private
from mqtt_wire import PUBACK, publish
from test_metrics import scrape

KEEPERS, TAKERS, BURST = 8, 4, 16  # so many that surely two of them share a shard
FLOW, KEPT = "f" * 32000, "k" * 2000
LIMIT = {"max_disk_bytes": "256MB"}  # of four shards each has room for many bursts
OPTIONS = {"data": True, "admin": True, "max_mqueue_len": "infinity",
           "max_mqueue_bytes": "infinity", "durability": LIMIT}


class Traffic:
    """Numbered messages for the queues, among many that are taken."""

    def __init__(self, t):
        self.t, self.number, self.acknowledged, self.flow = t, 0, [], 0
        self.compacted = 0
        for i in range(KEEPERS):
            client = t.persistent(f"keep{i}")
            client.subscribe(t.topic("keep"), qos=1)
            client.disconnect()
        self.connect()
        for taker in self.takers:
            taker.subscribe(t.topic("flow"), qos=1)

    def connect(self):
        self.publisher = self.t.connect("pub", timeout=20)
        self.takers = [self.t.persistent(f"take{i}", timeout=20) for i in range(TAKERS)]

    def send(self, topic, payload):
        packet_id = self.publisher.next_id()
        self.publisher.send(publish(self.t.topic(topic), payload, qos=1, packet_id=packet_id,
                                    version=5))
        return packet_id

    def burst(self):
        """One message for the queues; the log takes everything."""
        kept = self.send("keep", f"{self.number} {KEPT}")
        self.number += 1
        for _ in range(BURST - 1):
            self.send("flow", FLOW)
        for _ in range(BURST):
            got = self.publisher.expect(PUBACK)
            self.t.equal(got.reason, 0, "the log takes it")
            if got.packet_id == kept:
                self.acknowledged.append(self.number - 1)
        for taker in self.takers:
            taker.take_all(BURST - 1)

    def run(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.burst()

    def crash(self, **how):
        """kill -9. What the takers had not acknowledged comes again."""
        self.note()
        self.t.close()
        self.t.broker.crash(**how)
        self.connect()
        for taker in self.takers:
            self.t.equal(taker.connack.session_present, True, "session of a taker")
            for _ in self.t.takes(taker):
                pass
            taker.ping()

    def note(self):
        """What one process has compacted."""
        found = scrape(self.t)
        self.compacted += found["sluice_log_compacted_segments_total"]
        return found

    def check(self):
        """The queues have all that was acknowledged, in order."""
        for i in range(KEEPERS):
            client = self.t.persistent(f"keep{i}", timeout=10)
            self.t.equal(client.connack.session_present, True, "session that kept")
            have = []
            for packet in self.t.takes(client):
                number, body = bytes(packet.payload).split(b" ")
                self.t.equal(body, KEPT.encode(), "the body")
                have.append(int(number))
            client.ping()
            self.t.equal(have, sorted(set(have)), "order, no repetition")
            lost = sorted(set(self.acknowledged) - set(have))
            self.t.equal(lost, [], f"lost, of {len(self.acknowledged)} acknowledged")
            client.disconnect()
        self.acknowledged = []


def until_there_is_room(t):
    deadline = time.monotonic() + 5
    while scrape(t)["sluice_wal_disk_bytes"] > 160e6 and time.monotonic() < deadline:
        time.sleep(0.02)


def bounded(t, waits=False):
    traffic, most = Traffic(t), 0
    for _ in range(20):
        for _ in range(20):
            traffic.burst()
            if waits:
                until_there_is_room(t)
        most = max(most, scrape(t)["sluice_wal_disk_bytes"])
    t.true(most < 192e6, f"{most} bytes on the disk")
    found = traffic.note()
    t.true(traffic.compacted > 4, f"{traffic.compacted} segments were compacted")
    t.true(found["sluice_log_compacted_bytes_total"] > 0, "bytes that were copied")
    t.equal(found["sluice_log_refusing"], 0, "logs that refuse")
    traffic.check()


@only("sluiced")
@private(bystander=False)
def test_space_is_bounded_by_what_is_alive(t):
    bounded(t)


@only("sluiced")
@private(bystander=False)
@options(durability={**LIMIT, "mode": "os"})
def test_space_is_bounded_without_syncs(t):
    bounded(t, waits=True)  # else nobody waits for the disk, which may be slower than the traffic


@only("sluiced")
@private(bystander=False)
def test_kill_while_compacting(t):
    traffic = Traffic(t)
    traffic.run(4)
    deadline = time.monotonic() + 120  # a slow disk needs longer until there is something to do
    while scrape(t)["sluice_log_compacted_segments_total"] < 5 and time.monotonic() < deadline:
        traffic.run(0.5)
    for _ in range(6):
        traffic.run(t.random.uniform(0.2, 1.2))
        traffic.crash()
    t.true(traffic.compacted > 4, f"{traffic.compacted} segments were compacted")
    traffic.check()
    traffic.run(0.5)
    traffic.crash(stop=True)
    traffic.check()
