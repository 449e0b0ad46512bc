"""SIGHUP: a new configuration for a running broker, wholly or not at all."""

import json
import os
import signal
import subprocess
import threading
import time

from harness import cases, only, options, private, slow
from mqtt_wire import Failure, PUBACK, publish

OPTIONS = {"admin": True}


def again(t, **changes):
    t.equal(t.broker.reload(**changes), "applied")


@only("sluiced")
@private()
def test_sighup_takes_a_new_value_and_the_connection_stays(t):
    old = t.connect("a")
    t.equal(old.connack.prop("server_keepalive"), None)
    again(t, server_keepalive="77s")
    new = t.connect("b")
    t.equal(new.connack.prop("server_keepalive"), 77)
    old.ping()
    again(t, server_keepalive="disabled")
    t.equal(t.connect("c").connack.prop("server_keepalive"), None)
    old.ping()


@only("sluiced")
@options(max_qos=1)
@private()
@cases([("syntax", "mqtt: [\n", ":2:1:"),
        ("unknown", "mqtt:\n  max_qos: 0\n  no_such_key: 1\n", ":3:3:"),
        ("range", "mqtt:\n  max_qos: 0\n  max_inflight: 70000\n", ":3:17:"),
        ("none", None, "cannot read the file")])
def test_a_bad_file_changes_nothing_and_says_why(t, text, says):
    path = os.path.join(t.broker.folder, "broker.conf")
    if text is None:
        os.unlink(path)
        t.equal(t.broker.hang_up(), "refused")
    else:
        t.equal(t.broker.reload(text), "refused")
    t.equal(t.connect("a").connack.prop("max_qos"), 1)
    t.broker.says(f"reload: {path}", says, "nothing has changed")
    # What is put right is taken.
    again(t, max_qos=0)
    t.equal(t.connect("b").connack.prop("max_qos"), 0)


@only("sluiced")
@private()
def test_keys_that_need_a_restart_are_named_and_stay(t):
    again(t, shards={"cpus": "0"}, max_qos=1)
    t.broker.says("shards.cpus needs a restart to become 0")
    t.equal(t.connect("a").connack.prop("max_qos"), 1)
    before = t.broker.stderr().count("needs a restart")
    # What is in use is compared with the file again: it is said again, and nothing else is.
    again(t)
    deadline = time.monotonic() + t.timeout
    while t.broker.stderr().count("needs a restart") == before and time.monotonic() < deadline:
        time.sleep(0.01)
    t.equal(t.broker.stderr().count("needs a restart"), before + 1)


@only("sluiced")
@options(listener={"name": "plain"})
@private()
def test_a_listener_keeps_its_address(t):
    again(t, listener={"name": "plain", "bind": f"tcp://127.0.0.1:{t.broker.ports['a']}"})
    t.broker.says("listeners.plain.bind needs a restart")
    t.connect("a").ping()


@only("sluiced")
@options(listener={"name": "plain"})
@private(bystander=False)
def test_a_listener_takes_a_new_limit_of_connections(t):
    kept = [t.connect(i) for i in range(3)]
    again(t, listener={"name": "plain", "max_connections": 2})
    refused = t.socket(wrap=None)
    refused.send("10")
    refused.expect_close()
    for client in kept:
        client.ping()
    again(t, listener={"name": "plain", "max_connections": 4})
    t.connect("more").ping()


def has_keepalive(port, client):
    """Whether the broker's side of the connection has a TCP keep-alive timer (/proc/net/tcp)."""
    mine = f":{client.sock.getsockname()[1]:04X}"
    with open("/proc/net/tcp") as table:
        for line in table:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}") and fields[2].endswith(mine):
                return fields[5].startswith("02:")
    raise Failure("the connection is not in /proc/net/tcp")


@only("sluiced")
@options(listener={"name": "plain", "tcp_keepalive": "none"})
@private(bystander=False)
def test_a_listener_takes_new_tcp_options(t):
    """For the connections to come; those that are there stay as they are."""
    old = t.connect("old")
    t.true(not has_keepalive(t.broker.port, old), "there is a timer from the start")
    again(t, listener={"name": "plain", "tcp_keepalive": "60s,10s,3", "nodelay": False,
                       "tcp_user_timeout": "30s"})
    new = t.connect("new")
    new.ping()
    time.sleep(0.05)
    t.true(has_keepalive(t.broker.port, new), "no timer after the reload")
    t.true(not has_keepalive(t.broker.port, old), "the old connection has got one")
    again(t, listener={"name": "plain", "tcp_keepalive": "none"})
    t.true(not has_keepalive(t.broker.port, t.connect("third")), "still a timer")
    old.ping()


@only("sluiced")
@private(bystander=False, ends=True)
def test_the_drain_timeout_is_taken(t):
    """A client that does not take its goodbye holds the end up no longer than the new value."""
    again(t, shutdown={"drain_timeout": "300ms"})
    stuck, flood = t.connect("stuck", receive_buffer=4096), t.connect("flood")
    stuck.subscribe(t.topic())
    for _ in range(300):
        flood.publish(t.topic(), "x" * 20000)
    flood.ping()
    start = time.monotonic()
    t.broker.process.send_signal(signal.SIGTERM)
    t.broker.process.wait(20)
    t.true(time.monotonic() - start < 3, "it waited longer than it should")


@only("sluiced")
@options(log_level=None, log={"level": "warning"})
@private()
def test_the_log_takes_a_new_level_and_format(t):
    again(t, log={"level": "info", "format": "json"})
    again(t, max_qos=1)
    t.broker.says('"message":"reload: mqtt.max_qos is now 1, was 2"')


@only("sluiced")
@options(retained={"max_messages": 2})
@private(bystander=False)
def test_bounds_of_retained_messages_are_taken(t):
    client = t.connect("a")
    for number in range(3):
        client.publish(t.topic(str(number)), "x", qos=1, retain=True)
    t.equal(len(t.subscriber(t.topic("#"), suffix="b").take_all(2)), 2)
    again(t, retained={"max_messages": 3})
    client.publish(t.topic("2"), "x", qos=1, retain=True)
    t.equal(len(t.subscriber(t.topic("#"), suffix="c").take_all(3)), 3)


@only("sluiced")
@private()
def test_queues_take_a_new_bound(t):
    sleeper = t.persistent("sleeper")
    sleeper.subscribe(t.topic(), qos=1)
    sleeper.disconnect()
    again(t, max_mqueue_len=3)
    client = t.connect("a")
    for number in range(10):
        client.publish(t.topic(), str(number), qos=1)
    t.settle()
    sleeper = t.persistent("sleeper")
    t.equal([p.payload for p in sleeper.take_all(3)], [b"7", b"8", b"9"])


class Traffic(threading.Thread):
    """A publisher and a subscriber; every message has to arrive, once and in order."""

    def __init__(self, t, name):
        super().__init__()
        self.publisher = t.connect(f"{name}pub")
        self.topic, self.over, self.error, self.count = t.topic(name), False, None, 0
        self.subscriber = t.subscriber(self.topic, suffix=f"{name}sub", qos=1)
        self.start()

    def run(self):
        try:
            while not self.over:
                for number in range(self.count, self.count + 20):
                    self.publisher.send(publish(self.topic, str(number), qos=1,
                                                packet_id=number % 60000 + 1))
                for _ in range(20):
                    self.publisher.expect(PUBACK)
                got = [int(p.payload) for p in self.subscriber.take_all(20)]
                if got != list(range(self.count, self.count + 20)):
                    raise Failure(f"expected {self.count} and 19 more, got {got}")
                self.count += 20
        except (Failure, OSError) as error:
            self.error = error

    def end(self):
        self.over = True
        self.join()
        if self.error:
            raise self.error
        return self.count


@slow
@only("sluiced")
@private()
def test_reloads_under_load_disturb_nobody(t):
    """Good ones and bad ones in turn, and several at once, while messages run."""
    traffic = [Traffic(t, f"t{i}") for i in range(4)]
    path = os.path.join(t.broker.folder, "broker.conf")
    before = t.broker.reloads()
    for number in range(60):
        with open(path, "w") as out:
            out.write("mqtt: {max_inflight: %d, server_reference: 'r%d', mqueue_priorities: {a: %d}"
                      % (20 + number, number, number + 1))
            if number % 3 != 2:
                out.write("}\n")
        t.broker.process.send_signal(signal.SIGHUP)
        time.sleep(0.02 if number % 2 else 0.001)
    counts = [one.end() for one in traffic]
    after = t.broker.reloads()
    t.true(after[0] > before[0] and after[1] > before[1], f"{before} {after}")
    t.true(min(counts) > 0, f"{counts}")


@only("sluiced")
@private(bystander=False, ends=True)
def test_sighup_while_stopping_is_refused(t):
    """The broker says goodbye and ends as if nothing had been asked."""
    client = t.connect("a")
    for _ in range(5):
        t.broker.process.send_signal(signal.SIGHUP)
    t.broker.process.send_signal(signal.SIGTERM)
    t.broker.process.send_signal(signal.SIGHUP)
    client.expect_error(0x8B)
    client.abandon()
    t.equal(t.broker.process.wait(20), 0)


@only("sluiced")
@cases([("users", {"authentication": [{"type": "password_file", "path": "FILE"}]}, "anna\n", ":1:"),
        ("no users", {"authentication": [{"type": "scram", "path": "FILE"}]}, None, "No such file"),
        ("bans", {"banned": {"bootstrap_file": "FILE"}}, "as,who\nnobody,x\n", ":2:"),
        ("no bans", {"banned": {"bootstrap_file": "FILE"}}, None, "No such file")])
def test_files_about_clients_are_judged_by_check_config(t, keys, text, says):
    file = os.path.join(t.broker.folder, f"{t.prefix}.file")
    if text is not None:
        with open(file, "w") as out:
            out.write(text)
    with open(f"{file}.yaml", "w") as out:
        out.write(json.dumps(keys).replace("FILE", file))
    done = subprocess.run(t.broker.command + ["--config", f"{file}.yaml", "--check-config"],
                          capture_output=True, text=True)
    t.equal(done.returncode, 2)
    t.true(file in done.stderr and says in done.stderr, done.stderr)
