"""Clients of the crash test: they outlive the broker and remember what it has promised.

A `Client` speaks to whatever broker listens at its port, one connection after the other, with the
same durable session. `Publisher` sends numbered messages, sends again what was not acknowledged,
and keeps which numbers were. `Subscriber` notes what it got and answers as its habit says:

    online    answers everything at once
    half      answers some of it and keeps the rest waiting, in each phase of QoS 2
    offline   is not there until the end

All sockets are served by one loop (kill9.py); nothing here blocks.
"""

import collections
import errno
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

from mqtt_packet import (  # noqa: E402
    ack, connect, parse, publish, split, subscribe,
    CONNACK, DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK)

WINDOW = 30
ENDLESS = 0xFFFFFFFF


class Broken(AssertionError):
    """The broker has broken a promise."""


class Client:
    def __init__(self, name, version, random):
        self.name, self.version, self.random = name, version, random
        self.socket, self.output, self.input = None, bytearray(), bytearray()
        self.ready, self.had_session, self.connections = False, False, 0

    def open(self, port):
        """Begins a connection; False if nobody listens."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.lose()
            return False
        self.socket.setblocking(False)
        props = {"session_expiry": ENDLESS} if self.version == 5 else None
        self.output += connect(self.name, self.version, clean=False, props=props, keepalive=0)
        return True

    def lose(self):
        """The connection is gone; what was on its way in either direction is lost."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self.ready = None, False
        self.output.clear()
        self.input.clear()

    def write(self):
        try:
            sent = self.socket.send(self.output)
            del self.output[:sent]
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                self.lose()

    def read(self):
        try:
            got = self.socket.recv(1 << 16)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                self.lose()
            return
        if not got:
            self.lose()
            return
        self.input += got
        while self.socket is not None:
            found = split(self.input)
            if found is None:
                return
            kind, flags, body, length = found
            raw = bytes(self.input[:length])
            del self.input[:length]
            self.on_packet(parse(kind, flags, body, raw, self.version))

    def on_packet(self, packet):
        if packet.type == CONNACK:
            self.on_connack(packet)
        elif packet.type == DISCONNECT:
            self.lose()
        else:
            self.on(packet)

    def on_connack(self, packet):
        if packet.reason:
            raise Broken(f"{self.name}: CONNECT was refused: {packet}")
        if self.had_session and not packet.session_present:
            raise Broken(f"{self.name}: its session is gone")
        self.had_session, self.ready = True, True
        self.connections += 1
        self.begin()


class Publisher(Client):
    """Numbers from 1 in each of its topics; `promised` holds those acknowledged."""

    def __init__(self, name, version, random):
        super().__init__(name, version, random)
        self.topics = [(f"c/{name}/1", 1, False), (f"c/{name}/2", 2, False), (f"r/{name}", 1, True)]
        self.sent = collections.Counter()
        self.promised = collections.defaultdict(set)
        self.refused = collections.Counter()
        self.pending = collections.OrderedDict()  # packet id -> [topic, qos, retain, number, phase]
        self.last_id = 0
        self.working = True

    def begin(self):
        """What was not acknowledged comes again, in order [MQTT-4.4.0-1]."""
        for packet_id, (topic, qos, retain, number, phase) in self.pending.items():
            if phase == "released":
                self.output += ack(PUBREL, packet_id)
            else:
                self.output += publish(topic, str(number), qos, packet_id, retain, True,
                                       self.version)
        self.pump()

    def pump(self):
        while self.ready and self.working and len(self.pending) < WINDOW:
            weights = (8, 8, 1)
            topic, qos, retain = self.random.choices(self.topics, weights)[0]
            self.sent[topic] += 1
            number = self.sent[topic]
            while True:
                self.last_id = self.last_id % 65535 + 1
                if self.last_id not in self.pending:
                    break
            self.pending[self.last_id] = [topic, qos, retain, number, "sent"]
            padding = " " * self.random.choice((0, 0, 10, 100, 3000))
            self.output += publish(topic, f"{number}{padding}", qos, self.last_id, retain, False,
                                   self.version)

    def on(self, packet):
        entry = self.pending.get(packet.packet_id)
        if entry is None:
            raise Broken(f"{self.name}: an acknowledgement of nothing: {packet}")
        topic, qos, _, number, phase = entry
        if packet.type not in ({1: (PUBACK,), 2: (PUBREC, PUBCOMP)}[qos]):
            raise Broken(f"{self.name}: the wrong acknowledgement: {packet}")
        if packet.type == PUBCOMP:
            if phase != "released":
                raise Broken(f"{self.name}: PUBCOMP before PUBREL: {packet}")
            del self.pending[packet.packet_id]
        elif packet.reason >= 0x80:
            self.refused[topic] += 1
            del self.pending[packet.packet_id]
        else:
            self.promised[topic].add(number)
            if packet.type == PUBACK:
                del self.pending[packet.packet_id]
            else:
                entry[4] = "released"
                self.output += ack(PUBREL, packet.packet_id)
        self.pump()


class Subscriber(Client):
    def __init__(self, name, version, random, habit, qos):
        super().__init__(name, version, random)
        self.habit, self.qos = habit, qos
        self.got = collections.defaultdict(list)  # topic -> numbers, in the order they came
        self.copies = 0
        self.ids = set()  # QoS 2: received and not released
        self.subscribed = False

    def begin(self):
        if not self.subscribed:
            self.output += subscribe(1, [("c/#", self.qos)], self.version)

    def wants_to_answer(self):
        return self.habit != "half" or self.random.random() < 0.7

    def on(self, packet):
        if packet.type == SUBACK:
            self.subscribed = True
        elif packet.type == PUBLISH:
            self.on_publish(packet)
        elif packet.type == PUBREL:
            self.ids.discard(packet.packet_id)
            if self.wants_to_answer():
                self.output += ack(PUBCOMP, packet.packet_id)
        else:
            raise Broken(f"{self.name}: not for a subscriber: {packet}")

    def on_publish(self, packet):
        number = int(packet.payload)
        self.copies += 1
        if packet.qos == 2:
            if packet.packet_id not in self.ids:
                self.ids.add(packet.packet_id)
                self.got[packet.topic].append(number)
        else:
            self.got[packet.topic].append(number)
        if self.wants_to_answer():
            self.output += ack(PUBACK if packet.qos == 1 else PUBREC, packet.packet_id)

    def check(self, topic, qos, promised, sent):
        """What this subscriber got of a topic, against what its publisher was promised."""
        got = self.got[topic]
        where = f"{self.name} ({self.habit}), {topic}"
        if set(got) - set(range(1, sent + 1)):
            raise Broken(f"{where}: got what was never sent")
        lost = sorted(promised - set(got))
        if lost:
            raise Broken(f"{where}: {len(lost)} of {len(promised)} acknowledged messages are lost, "
                         f"the first is {lost[:5]}; sent {sent}, got {len(got)}")
        firsts = list(dict.fromkeys(got))
        if firsts != sorted(firsts):
            wrong = next(i for i in range(1, len(firsts)) if firsts[i] < firsts[i - 1])
            raise Broken(f"{where}: out of order: {firsts[max(0, wrong - 4):wrong + 4]}")
        if min(qos, self.qos) == 2 and len(firsts) != len(got):
            twice = [n for n, times in collections.Counter(got).items() if times > 1]
            raise Broken(f"{where}: {len(twice)} QoS 2 messages came twice, such as {twice[:5]}")
