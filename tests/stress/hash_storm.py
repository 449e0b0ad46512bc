#!/usr/bin/python3
"""A thousand clients whose passwords have to be hashed do not disturb who is there already.

    hash_storm.py --sluiced build/ops/sluiced [--clients 1000]

A publisher and a subscriber measure how long a QoS 1 message takes, first alone, then while all the
clients have sent CONNECT at once and wait for argon2id. Every client must come in, and the 99th
percentile of the second time must be below the larger of 10 ms and four times that of the first.
The last line is `N passed, N failed`.
"""

import argparse
import os
import select
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

from broker import Broker  # noqa: E402
from mqtt_wire import CONNACK, Client, PUBACK, PUBLISH, ack, connect, publish  # noqa: E402

ARGON2 = ("$argon2id$v=19$m=19456,t=2,p=1$z+P2DrZRfgXKg4hiEmPAmA$"
          "E05H09v7+LKUYPS4OJGfoAF6sQheYlvqQ/G+87q6TPc")  # of "pw"
PAUSE = 0.002


def trip(publisher, subscriber, number):
    """Milliseconds from PUBLISH to its delivery."""
    started = time.monotonic()
    publisher.send(publish("storm", str(number).encode(), qos=1, packet_id=1 + number % 60000,
                           version=5))
    got = subscriber.expect(PUBLISH)
    taken = (time.monotonic() - started) * 1000
    subscriber.send(ack(PUBACK, got.packet_id))
    publisher.expect(PUBACK)
    return taken


def percentile(times, share):
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def measure(publisher, subscriber, goes_on):
    times = []
    while goes_on(len(times)):
        times.append(trip(publisher, subscriber, len(times)))
        time.sleep(PAUSE)
    return times


class Storm:
    """Sockets that have sent CONNECT, and what has come back."""

    def __init__(self, broker, count):
        self.waiting, self.reasons = {}, []
        for number in range(count):
            client = Client(broker.host, broker.port, 5, timeout=300)
            client.number = number
            self.waiting[client.sock] = client
        for client in self.waiting.values():
            client.send(connect(f"storm{client.number}", username="user", password="pw"))

    def look(self):
        """Takes answers that are there; true while some are missing."""
        ready = select.select(list(self.waiting), [], [], 0)[0]
        for sock in ready:
            client = self.waiting.pop(sock)
            self.reasons.append(client.expect(CONNACK).reason)
            client.abandon()
        return bool(self.waiting)


def main():
    parser = argparse.ArgumentParser(description="hashing beside running traffic")
    parser.add_argument("--sluiced", required=True)
    parser.add_argument("--clients", type=int, default=1000)
    arguments = parser.parse_args()
    users = os.path.join(tempfile.mkdtemp(prefix="storm-"), "users")
    with open(users, "w") as out:
        out.write(f"user:{ARGON2}\n")
    broker = Broker([arguments.sluiced], {
        "access": {"allow_anonymous": True, "auth_timeout": "5m"},
        "authentication": [{"type": "password_file", "path": users}]}, shards=2)
    publisher, subscriber = (Client(broker.host, broker.port, 5, timeout=60) for _ in range(2))
    publisher.connect("publisher")
    subscriber.connect("subscriber")
    subscriber.subscribe("storm", qos=1)
    alone = measure(publisher, subscriber, lambda done: done < 2000)
    started = time.monotonic()
    storm = Storm(broker, arguments.clients)
    beside = measure(publisher, subscriber, lambda done: storm.look())
    seconds = time.monotonic() - started
    for name, times in (("alone", alone), ("beside", beside)):
        print(f"{name}: {len(times)} messages, p50 {percentile(times, 0.5):.2f} ms, "
              f"p99 {percentile(times, 0.99):.2f} ms, max {max(times):.2f} ms")
    print(f"{arguments.clients} clients in {seconds:.1f} s, {storm.reasons.count(0)} came in")
    wrong = []
    if storm.reasons.count(0) != arguments.clients:
        wrong.append("not every client came in")
    if percentile(beside, 0.99) > max(10, 4 * percentile(alone, 0.99)):
        wrong.append("hashing disturbs who is there")
    wrong += [text for text in [broker.stop()] if text]
    for text in wrong:
        print(f"FAIL {text}")
    print(f"{3 - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
