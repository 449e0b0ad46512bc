"""Zones: what the clients of some listeners have instead of everybody's. Each test looks at both
sides: a client of a listener in a zone, and one of a listener without."""

import os
import tempfile
import time

from harness import cases, only, options, private, slow, timed, versions
from mqtt_wire import Client, PUBACK, PUBLISH, PUBREC, ack, connect, publish

ANNOUNCED = {"receive_maximum": 7, "max_qos": 1, "retain_available": False,
             "max_packet_size": "2KB", "wildcard_subscription": False,
             "subscription_identifiers": False, "shared_subscription": False,
             "max_topic_alias": 3, "server_keepalive": "77s", "response_information": "low",
             "max_session_expiry_interval": "60s"}
BOUNDS = {"max_clientid_len": 30, "max_topic_levels": 3, "max_topic_alias_out": 0,
          "message_expiry_interval": "9s", "payload_format_check": True, "max_subscriptions": 2,
          "connect_timeout": "200ms", "session_expiry_interval": "0s", "ignore_loop_deliver": True,
          "upgrade_qos": True}
QUEUES = {"max_inflight": 1, "max_mqueue_len": 2, "mqueue_store_qos0": False,
          "mqueue_priorities": {"z/high": 9}, "await_rel_timeout": "100ms"}
FOLDER = tempfile.mkdtemp(prefix="wire-zones-")
RULES = os.path.join(FOLDER, "rules")
with open(RULES, "w") as out:
    out.write("deny all publish no/#\nallow all\n")
PLACES = [{"bind": f"tcp://127.0.0.1:{{{name}}}", "zone": zone}
          for name, zone in (("a", "announced"), ("b", "bounds"), ("c", "queues"))]
OPTIONS = {"more": PLACES, "zones": {"announced": {"mqtt": ANNOUNCED}, "bounds": {"mqtt": BOUNDS},
                                     "queues": {"mqtt": QUEUES}}}


def at(t, name, suffix, version=None, **values):
    """A connected client of another listener."""
    client = Client(t.broker.host, t.broker.ports[name], version or t.version, timeout=t.timeout)
    t.clients.append(client)
    client.connack = client.connect(t.id(suffix), **values)
    return client


def persistent(t, name, suffix):
    return at(t, name, suffix, clean=False, props={"session_expiry": 300})


@only("sluiced")
@cases([("receive-maximum", "receive_maximum", 7), ("qos", "max_qos", 1),
        ("retain", "retain_available", 0), ("size", "max_packet_size", 2048),
        ("wildcard", "wildcard_available", 0), ("identifiers", "subscription_id_available", 0),
        ("shared", "shared_available", 0), ("aliases", "topic_alias_max", 3),
        ("keep-alive", "server_keepalive", 77), ("response", "response_info", "low"),
        ("expiry", "session_expiry", 60)])
def test_what_connack_announces_is_the_zones(t, name, value):
    asked = {"session_expiry": 1000, "request_response_info": 1}
    here = at(t, "a", "here", props=asked).connack
    there = t.connect("there", props=asked).connack
    t.equal(dict(here.props).get(name), value)
    t.true(dict(there.props).get(name) != value, f"it is {value} without the zone, too")


@only("sluiced")
@cases([("qos", 2, {}, 0x9B), ("retain", 1, {"retain": True}, 0x9A)])
def test_what_is_announced_is_enforced(t, qos, more, reason):
    t.connect("there").publish(t.topic("x"), b"", qos=qos, **more)
    client = at(t, "a", "here")
    client.send(publish(t.topic("x"), b"", qos=qos, packet_id=9, version=5, **more))
    client.expect_error(reason)


@only("sluiced")
@cases([("wildcard", "+", 0xA2), ("shared", None, 0x9E)])
def test_filters_that_a_zone_does_not_allow(t, suffix, reason):
    name = t.topic(suffix) if suffix else f"$share/g/{t.topic()}"
    t.connect("there").subscribe(name)
    at(t, "a", "here").subscribe(name, reasons=[reason])


@only("sluiced")
def test_client_identifiers_and_topics_are_bounded(t):
    name = t.id("x" * 30)
    t.socket().connect(name)
    client = Client(t.broker.host, t.broker.ports["b"], 5, timeout=t.timeout)
    t.clients.append(client)
    client.send(connect(name))
    client.expect_refused(0x85)
    t.connect("there").subscribe(t.topic("2/3/4"))
    at(t, "b", "here").subscribe(t.topic("2/3/4"), reasons=[0x8F])
    t.connect("there").publish(t.topic("2/3/4"), b"", qos=1)
    client = at(t, "b", "here")
    client.send(publish(t.topic("2/3/4"), b"", version=5))
    client.expect_error(0x90)


@only("sluiced")
def test_subscriptions_are_bounded(t):
    t.connect("there").subscribe(*(t.topic(name) for name in "123"))
    at(t, "b", "here").subscribe(*(t.topic(name) for name in "123"), reasons=[0, 0, 0x97])


@only("sluiced")
def test_messages_expire_as_the_publishers_zone_says(t):
    watcher = t.subscriber(t.topic("x"))
    at(t, "b", "here").publish(t.topic("x"), b"1", qos=1)
    got = watcher.take(t.topic("x"), "1")
    t.true(dict(got.props).get("message_expiry", 99) <= 9, f"got {got}")
    t.connect("there").publish(t.topic("x"), b"2", qos=1)
    t.equal(dict(watcher.take(t.topic("x"), "2").props).get("message_expiry"), None)


@only("sluiced")
def test_payloads_are_checked(t):
    bad = {"props": {"payload_format": 1}}
    t.connect("there").publish(t.topic("x"), b"\xff", qos=1, **bad)
    at(t, "b", "here").publish(t.topic("x"), b"\xff", qos=1, reason=0x99, **bad)


@only("sluiced")
def test_aliases_towards_clients(t):
    for name, has_alias in (("b", False), (None, True)):
        values = {"props": {"topic_alias_max": 5}}
        client = at(t, name, "s", **values) if name else t.connect("s", **values)
        client.subscribe(t.topic("x"))
        publisher = t.connect("p")
        publisher.publish(t.topic("x"), b"1", qos=1)
        publisher.publish(t.topic("x"), b"2", qos=1)
        client.expect(PUBLISH)
        t.equal("topic_alias" in dict(client.expect(PUBLISH).props), has_alias)
        client.close()


@only("sluiced")
def test_a_connection_without_connect_ends(t):
    raw = t.broker.dial(t.broker.ports["b"], timeout=3)
    other = t.broker.dial(timeout=0.5)
    t.equal(raw.recv(1), b"")
    try:
        t.true(other.recv(1) != b"", "the one without a zone ended, too")
    except TimeoutError:
        pass
    raw.close()
    other.close()


@only("sluiced")
@versions(4)
def test_sessions_of_mqtt_3(t):
    for name, present in (("b", False), (None, True)):
        def come():
            return at(t, name, "s", clean=False) if name else t.connect("t", clean=False)
        come().close()
        t.settle()
        t.equal(come().connack.session_present, present, str(name))


@only("sluiced")
@versions(4)
def test_own_messages_of_mqtt_3(t):
    client = at(t, "b", "s")
    client.subscribe(t.topic("x"), qos=1)
    client.publish(t.topic("x"), b"own", qos=1)
    t.quiet(client)
    other = t.connect("t")
    other.subscribe(t.topic("x"), qos=1)
    other.publish(t.topic("x"), b"own", qos=1)
    other.take(t.topic("x"), "own")


@only("sluiced")
def test_the_window_is_the_subscribers(t):
    here, there = at(t, "c", "here"), t.connect("there")
    for client in (here, there):
        client.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("p")
    for number in range(2):
        publisher.publish(t.topic("x"), str(number), qos=1)
    there.expect(PUBLISH)
    there.expect(PUBLISH)
    first = here.expect(PUBLISH)
    here.expect_silence(t.quiet_ms)
    here.send(ack(PUBACK, first.packet_id))
    here.expect(PUBLISH)


@only("sluiced")
@cases([("zone", "c", ["high", "2", "3"]), ("none", None, ["1", "2", "3", "high", "zero"])])
def test_queues_are_the_subscribers(t, name, want):
    """In the zone two of each priority, the oldest goes; the high one is first; no QoS 0."""
    def come():
        return persistent(t, name, "s") if name else t.persistent("s")
    high = "z/high" if name else t.topic("high")
    client = come()
    client.subscribe(t.topic("x"), high, qos=1)
    client.close()
    t.settle()
    publisher = t.connect("p")
    for number in range(1, 4):
        publisher.publish(t.topic("x"), str(number), qos=1)
    publisher.publish(high, "high", qos=1)
    publisher.publish(t.topic("x"), "zero", qos=0)
    publisher.ping()
    t.settle()
    client = come()
    t.equal([client.take().payload.decode() for _ in want], want)
    t.quiet(client)


@only("sluiced")
def test_qos_may_be_raised(t):
    here, there = at(t, "b", "here"), t.connect("there")
    for client in (here, there):
        client.subscribe(t.topic("x"), qos=1)
    t.connect("p").publish(t.topic("x"), b"", qos=0)
    t.equal((here.take().qos, there.take().qos), (1, 0))


@only("sluiced")
def test_packet_identifiers_are_forgotten(t):
    """A QoS 2 message sent again under its identifier is another one when that was forgotten."""
    watcher = t.subscriber(t.topic("x"))
    for name in ("c", None):
        client = at(t, name, "here") if name else t.connect("there")
        for _ in range(2):
            client.send(publish(t.topic("x"), b"m", qos=2, packet_id=5, version=5))
            client.expect(PUBREC)
            time.sleep(0.4)
        watcher.take(t.topic("x"), "m")
        if name:
            watcher.take(t.topic("x"), "m")
        t.quiet(watcher)


@only("sluiced")
@private()
@options(more=[{"bind": "tcp://127.0.0.1:{a}", "zone": "z"}],
         zones={"z": {"mqtt": {"server_keepalive": "1s", "keepalive_multiplier": 1}}})
@slow
@timed
def test_keep_alive_is_the_zones(t):
    here, there = at(t, "a", "here", keepalive=0), t.connect("there", keepalive=1)
    begin = time.monotonic()
    here.expect_error(0x8D)
    t.true(time.monotonic() - begin < 1.45, "it took as long as without the zone")
    there.ping()


@only("sluiced")
@private()
@options(more=[{"bind": "tcp://127.0.0.1:{a}", "zone": "z"}],
         zones={"z": {"limits": {"packet_timeout": "200ms"}}})
def test_unfinished_packets_end_a_connection(t):
    here, there = at(t, "a", "here"), t.connect("there")
    for client in (here, there):
        client.send(b"\x30\x20\x00")
    here.expect_error(0x97)
    there.expect_silence(t.quiet_ms)


@only("sluiced")
@private(bystander=False)
@options(more=[{"bind": "tcp://127.0.0.1:{a}", "zone": "z"}], authorization={"file": RULES},
         zones={"z": {"authorization": {"deny_action": "disconnect", "session_owner": True}}})
def test_what_happens_to_who_may_not(t):
    t.connect("there").publish("no/x", b"", qos=1, reason=0x87)
    client = at(t, "a", "here")
    client.send(publish("no/x", b"", qos=1, packet_id=3, version=5))
    client.expect_error(0x87)
    t.connect("s", username="anna", props={"session_expiry": 300}).close()
    t.settle()
    thief = Client(t.broker.host, t.broker.ports["a"], 5, timeout=t.timeout)
    t.clients.append(thief)
    thief.send(connect(t.id("s"), username="bert", clean=False))
    thief.expect_refused(0x87)
    t.connect("s", username="bert", clean=False)


@only("sluiced")
@private()
@options(admin=True, more=[{"bind": "tcp://127.0.0.1:{a}", "zone": "z"}],
         zones={"y": {}, "z": {"mqtt": {"max_qos": 1}}})
def test_a_reload_changes_a_zone_and_keeps_its_clients(t):
    old = at(t, "a", "old", props={"session_expiry": 300}, clean=False)
    t.equal(dict(old.connack.props)["max_qos"], 1)
    old.subscribe(t.topic("x"), t.topic("y"))
    t.equal(t.broker.reload(zones={"z": {"mqtt": {"max_qos": 0, "max_subscriptions": 2}}}),
            "applied")
    t.equal(dict(at(t, "a", "new").connack.props)["max_qos"], 0)
    old.subscribe(t.topic("z"), reasons=[0x97])
    t.equal(dict(t.connect("there").connack.props).get("max_qos"), None)
    t.equal(t.broker.reload(more=[{"bind": "tcp://127.0.0.1:{a}"}], zones={}), "applied")
    t.equal(dict(at(t, "a", "newer").connack.props).get("max_qos"), None)
    old.subscribe(t.topic("z"))


@only("sluiced")
@private()
@options(admin=True)
@cases([("unknown", {"listener": {"zone": "nowhere"}}, 'there is no zone "nowhere"'),
        ("key", {"zones": {"z": {"mqtt": {"max_qoss": 1}}}}, 'there is no key "max_qoss"'),
        ("value", {"zones": {"z": {"mqtt": {"max_qos": 3}}}}, "3"),
        ("strategy", {"zones": {"z": {"mqtt": {"shared_subscription_strategy": "random"}}}},
         "cannot differ between zones"),
        ("process", {"zones": {"z": {"limits": {"max_connections": 3}}}},
         "cannot differ between zones"),
        ("section", {"zones": {"z": {"listeners": {"bind": "tcp://:1"}}}},
         "cannot differ between zones"),
        ("default", {"zones": {"default": {}}}, "is what the sections themselves say"),
        ("name", {"zones": {"a b": {}}}, "is not a name")])
def test_what_is_wrong_is_refused_with_its_place(t, change, words):
    t.equal(t.broker.reload(**change), "refused")
    line = next(one for one in t.broker.says(words).splitlines() if words in one)
    t.true("broker.conf:" in line, f"log: {line}")
    t.broker.options.pop("zones", None)
    t.broker.options.pop("listener", None)


@only("sluiced")
@versions(5)
@options(quotas={"subscriptions": 3},
         zones={"announced": {"quotas": {"connections": 2, "retained": 1, "subscriptions": 1}},
                "bounds": {}, "queues": {}})
@private()
def test_quotas_of_users(t):
    """A user has one sum; what that may be is said by the zone of the client that wants more."""
    there = [t.connect(f"c{n}", username="ann") for n in range(4)]
    client = Client(t.broker.host, t.broker.ports["a"], 5, timeout=t.timeout)
    t.clients.append(client)
    client.connect(t.id("x"), reason=0x97, username="ann")
    here = at(t, "a", "b0", username="bob")
    at(t, "a", "b1", username="bob")
    there[0].subscribe(t.topic("1"), t.topic("2"), t.topic("3"), t.topic("4"),
                       reasons=[0, 0, 0, 0x97])
    here.subscribe(t.topic("1"), t.topic("2"), reasons=[0, 0x97])
    here.unsubscribe(t.topic("1"))
    for number in range(3):
        there[0].publish(t.topic(f"r{number}"), "x", qos=1, retain=True)
    here.publish(t.topic("r3"), "x", qos=1, retain=True)
    here.publish(t.topic("r4"), "x", qos=1, retain=True, reason=0x97)
