#!/usr/bin/env python3
"""kill -9 under load: nothing acknowledged is lost, nothing of QoS 2 comes twice.

    tests/crash/kill9.py --sluiced build-test/ops/sluiced --cycles 5 --shards 1,2 --seed 7

A cycle: start the broker on the data directory that the one before left, let publishers and
subscribers work (clients.py), kill it at a random moment. Each cycle uses the next of the numbers
of shards; where it is another one, the data moves first, and a kill may come while it does. After
the last cycle the broker runs once more, everybody connects and answers everything, and every
message is accounted for: by publisher, topic, QoS and subscriber. The last line is
`N passed, N failed`, a check being one topic at one subscriber.
"""

import argparse
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

import ports  # noqa: E402
from clients import Broken, Publisher, Subscriber, subscribe  # noqa: E402

START_S = 30
DRAIN_QUIET_S = 8

CONFIG = """
mqtt:
  max_mqueue_len: infinity
  max_mqueue_bytes: infinity
  session_expiry_interval: infinity
"""


class Broker:
    """One data directory and, at times, a process on it."""

    def __init__(self, path, folder, durability):
        self.path, self.folder, self.durability = path, folder, durability
        self.port, self.process = ports.take(), None
        self.log = os.path.join(folder, "stderr")
        self.config = os.path.join(folder, "broker.yaml")
        with open(self.config, "w") as out:
            out.write(CONFIG)

    def start(self, shards):
        """Starts it and waits until it accepts; the time that took, in seconds."""
        environment = dict(os.environ, SLUICE_DURABILITY__MODE=self.durability)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0:exitcode=99")
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.path, "--config", self.config, "--data", os.path.join(self.folder, "data"),
                 "--listen", f"tcp://127.0.0.1:{self.port}", "--admin", "none",
                 "--shards", str(shards), "--log-level", "info"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        while time.monotonic() < began + START_S:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return time.monotonic() - began
            except OSError:
                time.sleep(0.005)
        raise Broken(f"the broker does not start: {self.last_words()}")

    def kill(self):
        if self.process.poll() is not None:
            raise Broken(f"the broker ended by itself: {self.last_words()}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def last_words(self):
        with open(self.log, errors="replace") as log:
            return " | ".join(log.read().splitlines()[-6:])[-1500:]


class World:
    """All clients and the loop that serves them."""

    def __init__(self, rng, publishers):
        self.random = rng
        self.publishers = [Publisher(f"p{i}", 5 if i % 2 else 4, rng) for i in range(publishers)]
        self.subscribers = []
        for number, habit in enumerate(("online", "half", "offline", "half", "online")):
            version, qos = (5 if number % 2 else 4), (1 if number == 4 else 2)
            self.subscribers.append(Subscriber(f"s{number}", version, rng, habit, qos))

    def clients(self):
        return self.publishers + self.subscribers

    def turn(self, port, wait_s):
        poll = select.poll()
        served = {}
        for client in self.clients():
            if client.socket is None:
                away = isinstance(client, Subscriber) and client.habit == "offline" and \
                    client.subscribed
                if away or not client.open(port):
                    continue
            events = select.POLLIN | (select.POLLOUT if client.output else 0)
            served[client.socket.fileno()] = client
            poll.register(client.socket, events)
        if not served:
            time.sleep(wait_s)
        for number, events in poll.poll(wait_s * 1000) if served else ():
            client = served[number]
            if events & ~select.POLLOUT:
                client.read()
            if client.socket is not None and client.output:
                client.write()
        for client in self.subscribers:
            if client.habit == "offline" and client.subscribed:
                client.lose()

    def run(self, broker, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.turn(broker.port, 0.01)
            if self.random.random() < 0.002:
                self.random.choice(self.clients()).lose()

    def subscribe(self, broker):
        """Everybody has a session and a subscription before anything is published."""
        for publisher in self.publishers:
            publisher.working = False
        until = time.monotonic() + START_S
        while not all(s.subscribed for s in self.subscribers):
            self.turn(broker.port, 0.01)
            if time.monotonic() > until:
                raise Broken("SUBSCRIBE is not answered")
        for publisher in self.publishers:
            publisher.working = True
            publisher.pump()

    def progress(self):
        return (sum(s.copies for s in self.subscribers),
                sum(len(p.pending) for p in self.publishers))

    def drain(self, broker):
        """Nothing new; until nothing has come for a while and nothing is pending."""
        for publisher in self.publishers:
            publisher.working = False
        for subscriber in self.subscribers:
            subscriber.habit = "drain of " + subscriber.habit
            subscriber.lose()  # what it did not answer comes again
        last, moved = None, time.monotonic()
        while time.monotonic() < moved + DRAIN_QUIET_S:
            self.turn(broker.port, 0.01)
            now = self.progress()
            if now != last:
                last, moved = now, time.monotonic()
            elif now[1] == 0 and time.monotonic() > moved + 1 and self.complete():
                return

    def is_missing(self, subscriber):
        """Whether it lacks a message that was acknowledged."""
        return any(promised - set(subscriber.got[topic]) for p in self.publishers
                   for topic, promised in p.promised.items() if topic.startswith("c/"))

    def complete(self):
        return not any(self.is_missing(s) for s in self.subscribers)

    def check(self):
        """(checks that passed, what failed)."""
        passed, wrong = 0, []
        for publisher in self.publishers:
            if publisher.pending:
                wrong.append(f"{publisher.name}: {len(publisher.pending)} never acknowledged: "
                             f"{list(publisher.pending.items())[:2]}")
            for topic, qos, retain in publisher.topics:
                for subscriber in () if retain else self.subscribers:
                    try:
                        subscriber.check(topic, qos, publisher.promised[topic],
                                         publisher.sent[topic])
                        passed += 1
                    except Broken as error:
                        wrong.append(str(error))
        return passed, wrong

    def check_retained(self, broker):
        """The retained value of each topic is the last acknowledged one or one sent after it."""
        reader = Subscriber("reader", 5, self.random, "online", 1)
        reader.open(broker.port)
        reader.begin = lambda: None
        reader.output += subscribe(1, [("r/#", 1)], 5)
        until = time.monotonic() + 3
        poll = select.poll()
        poll.register(reader.socket, select.POLLIN)
        while time.monotonic() < until and len(reader.got) < len(self.publishers):
            if reader.output:
                reader.write()
            if poll.poll(50):
                reader.read()
        reader.lose()
        passed, wrong = 0, []
        for publisher in self.publishers:
            topic = f"r/{publisher.name}"
            promised = max(publisher.promised[topic], default=0)
            value = (reader.got.get(topic) or [0])[0]
            if promised <= value <= publisher.sent[topic]:
                passed += 1
            else:
                wrong.append(f"{topic}: retained is {value}, acknowledged was {promised}")
        return passed, wrong


def run(arguments, broker):
    rng = random.Random(arguments.seed)
    shards = [int(n) for n in arguments.shards.split(",")]
    world = World(rng, 4)
    slowest = broker.start(shards[0])
    world.subscribe(broker)
    for cycle in range(arguments.cycles):
        world.run(broker, rng.uniform(0.05, arguments.seconds))
        broker.kill()
        for client in world.clients():
            client.lose()
        slowest = max(slowest, broker.start(shards[(cycle + 1) % len(shards)]))
        sent = sum(sum(p.sent.values()) for p in world.publishers)
        print(f"cycle {cycle + 1}: {sent} sent, "
              f"{sum(len(n) for p in world.publishers for n in p.promised.values())} acknowledged, "
              f"{world.progress()[0]} delivered", flush=True)
    world.drain(broker)
    passed, wrong = world.check()
    more, also = world.check_retained(broker)
    print(f"slowest start {slowest:.2f} s, refused "
          f"{sum(sum(p.refused.values()) for p in world.publishers)}")
    return passed + more, wrong + also


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sluiced", required=True)
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="longest life of a broker")
    parser.add_argument("--shards", default="1", help="numbers of shards, used in turn")
    parser.add_argument("--durability", default="commit")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {arguments.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="kill9-")
    broker = Broker(arguments.sluiced, folder, arguments.durability)
    try:
        passed, wrong = run(arguments, broker)
        broker.kill()
    except Broken as error:
        passed, wrong = 0, [str(error)]
    finally:
        if broker.process is not None and broker.process.poll() is None:
            broker.process.kill()
            broker.process.wait()
    for line in wrong:
        print(f"not ok {line}")
    if wrong:
        print(f"data and log are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
