"""What a test function is given and how it says what it needs.

A test is a function `test_NAME(t)` in a file test_*.py, where NAME begins with the normative
statement that it checks (MQTT5_3_1_2_24_..., MQTT311_3_1_2_4_...) or with a plain word where no
statement applies. Decorators, all optional:

    @covers("MQTT5-3.3.1-5", ...)   further statements that the test checks
    @versions(3, 4, 5)              run once for each protocol version (t.version); the default
                                    comes from the name: MQTT311_ 4, MQTT5_ 5, others 5
    @cases([...])                   run once for each (name, value...) row; the values follow t
    @options(max_qos=1, ...)        needs a broker with these options; tests with equal options
                                    share one process
    @private(...)                   a process of its own, not shared (it will be filled, limited
                                    or stopped); keywords: prlimit={"nofile": 64}, ...
    @timed                          measures times: runs when the busy tests are through
    @alone                          does so while it keeps the machine busy itself: nothing else
                                    runs
    @slow                           takes seconds because the rule is about time or amounts;
                                    --fast leaves these out
    @only("sluiced")                relies on a choice the standard leaves open and we made

Many tests share a broker, so a test uses only client identifiers from t.id() and topics from
t.topic(), which no other test gets. Sockets are closed by the harness at the end of the test.
"""

import itertools
import random
import re
import time

from mqtt_wire import (Client, Failure, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, TimedOut, ack,
                       readiness, split)


def covers(*ids):
    def mark(function):
        function.covers = getattr(function, "covers", ()) + ids
        return function
    return mark


def versions(*numbers):
    def mark(function):
        function.versions = numbers
        return function
    return mark


def cases(rows):
    def mark(function):
        function.cases = [row if isinstance(row, tuple) else (row,) for row in rows]
        return function
    return mark


def options(**values):
    def mark(function):
        function.options = {**getattr(function, "options", {}), **values}
        return function
    return mark


def private(**values):
    def mark(function):
        function.private = values
        return function
    return mark


def slow(function):
    function.slow = True
    return function


def timed(function):
    function.turn = "timed"
    return function


def alone(function):
    function.turn = "alone"
    return function


def only(kind):
    def mark(function):
        function.only = kind
        return function
    return mark


class Skip(Exception):
    """The test cannot be run here; the text says why."""


class Test:
    """One run of one test function: with one protocol version and one row of its cases."""

    def __init__(self, module, function, version, case, number):
        self.module, self.function, self.version, self.number = module, function, version, number
        self.arguments = case[1:] if case else ()
        marks = [f"v{version}"] if len(versions_of(function)) > 1 else []
        marks += [str(case[0])] if case else []
        self.name = function.__name__ + (f"[{','.join(marks)}]" if marks else "")
        self.options = {**getattr(module, "OPTIONS", {}), **getattr(function, "options", {})}
        self.private = getattr(function, "private", None)
        self.slow = getattr(function, "slow", False)
        self.turn = getattr(function, "turn", "busy")
        self.only = getattr(function, "only", None)


def versions_of(function):
    given = getattr(function, "versions", None)
    if given:
        return given
    return (4,) if function.__name__.startswith("test_MQTT311_") else (5,)


def tests_of(module, numbers=itertools.count(1)):
    """All tests of a module in the order of its text."""
    functions = [f for name, f in vars(module).items()
                 if name.startswith("test_") and callable(f) and f.__module__ == module.__name__]
    functions.sort(key=lambda f: f.__code__.co_firstlineno)
    for function in functions:
        for version in versions_of(function):
            for case in getattr(function, "cases", [()]):
                yield Test(module, function, version, case, next(numbers))


class Context:
    """The `t` of a test: names, connections and small checks."""

    def __init__(self, test, broker, seed, arguments):
        self.test, self.broker, self.version = test, broker, test.version
        self.quiet_ms, self.timeout = arguments.quiet_ms, arguments.timeout
        self.long, self.clients = arguments.long, []
        self.random = random.Random(f"{seed}/{test.name}")
        self.prefix = f"w{seed % 100000}s{broker.shards}n{test.number}"

    def topic(self, suffix=""):
        """A topic of this test's own."""
        return f"{self.prefix}/{suffix}" if suffix else self.prefix

    def id(self, suffix=""):
        """A client identifier of this test's own, of letters and digits."""
        return self.prefix + re.sub("[^0-9a-zA-Z]", "", str(suffix))

    def socket(self, version=None, **values):
        """A connection on which nothing has been sent yet."""
        values.setdefault("timeout", self.timeout)
        values.setdefault("wrap", self.broker.wrap)
        client = Client(self.broker.host, self.broker.port, version or self.version, **values)
        self.clients.append(client)
        return client

    def connect(self, suffix="", version=None, **values):
        """A connected client; values go to mqtt_packet.connect (clean=, props=, will=, ...)."""
        socket_values = {key: values.pop(key) for key in
                         ("source", "receive_buffer", "timeout", "wrap") if key in values}
        client = self.socket(version, **socket_values)
        client.connack = client.connect(self.id(suffix), **values)
        return client

    def persistent(self, suffix="", version=None, expiry=300, clean=False, **values):
        """A connected client whose session outlives the connection."""
        if (version or self.version) == 5:
            props = dict(values.pop("props", None) or {})
            values["props"] = {"session_expiry": expiry, **props}
        return self.connect(suffix, version, clean=clean, **values)

    def subscriber(self, *filters, suffix="sub", qos=0, version=None, **values):
        """A connected client with these subscriptions."""
        client = self.connect(suffix, version, **values)
        client.subscribe(*filters, qos=qos)
        return client

    def pairs(self, count=8):
        """Client identifier suffixes (publisher, subscriber) for every combination of `count`
        each. Which shard is a client's home is a keyed hash of its identifier and cannot be
        known; with 8 of each side all combinations of up to 4 shards occur all but certainly."""
        return [(f"p{i}", f"s{j}") for i in range(count) for j in range(count)]

    def settle(self):
        """An acknowledgement to the publisher says that the server has the message, not that it
        has come to the shard of each subscriber; this waits until surely it has."""
        if self.broker.shards > 1:
            time.sleep(self.quiet_ms / 1000)

    def quiet(self, *clients):
        """Nothing comes to any of them for a while; PING shows that they still live."""
        for number, client in enumerate(clients):
            client.expect_silence(self.quiet_ms if number == 0 else 5)
            client.ping()
            if client.queue:
                raise Failure(f"expected silence, got {client.queue[0]}")

    def quickest(self, *actions, tries=100):
        """Seconds that each of these took at best, in tries by turns. What else the machine does
        only makes a try slower: there are more while one looks twice as quick as another."""
        best = [float("inf")] * len(actions)
        for number in range(tries):
            for index in self.random.sample(range(len(actions)), len(actions)):
                began = time.monotonic()
                actions[index]()
                best[index] = min(best[index], time.monotonic() - began)
            if number >= 11 and max(best) < 2 * min(best):
                break
        return best

    def takes(self, client, *wanted, **values):
        """All that comes to this client, acknowledged, until the broker has no more to send."""
        while True:
            try:
                yield client.take(*wanted, timeout=0.2, **values)
            except TimedOut:
                self.broker.rest()
                if not client.has_more():
                    return

    def gather(self, clients, count):
        """`count` PUBLISH packets from whichever of the clients they come to, acknowledged.
        Returns a list of (index of the client, packet) in the order of arrival."""
        got, waiting = [], 0
        deadline = time.monotonic() + self.timeout
        while len(got) < count or waiting:
            ready = [c for c in clients if c.queue or split(c.buffer)]
            if not ready:
                sockets = {client.sock: client for client in clients}
                ready = [sockets[sock] for sock in
                         readiness(sockets, (), deadline - time.monotonic())[0]]
            if not ready:
                raise Failure(f"expected {count} PUBLISH in all, got {len(got)}")
            for client in ready:
                packet = client.recv()
                if packet.type == PUBREL:
                    client.send(ack(PUBCOMP, packet.packet_id))
                    waiting -= 1
                elif packet.type != PUBLISH:
                    raise Failure(f"expected PUBLISH, got {packet}")
                else:
                    got.append((clients.index(client), packet))
                    if packet.qos:
                        client.send(ack(PUBACK if packet.qos == 1 else PUBREC, packet.packet_id))
                    waiting += packet.qos == 2
        if len(got) > count:
            raise Failure(f"expected {count} PUBLISH in all, got {len(got)}: {got[count:]}")
        return got

    def equal(self, got, want, what=""):
        if got != want:
            raise Failure(f"{what + ': ' if what else ''}expected {want!r}, got {got!r}")

    def true(self, condition, text):
        if not condition:
            raise Failure(text)

    def close(self):
        for client in self.clients:
            client.abandon()
        self.clients.clear()
