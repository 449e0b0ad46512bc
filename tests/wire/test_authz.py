"""Authorization: what a client may publish and subscribe to, and what it is told when it may not
(MQTT 5.0 sections 3.3, 3.4.2.1, 3.9.3; 3.1.1 sections 3.3.5, 3.9.3).

Every test has topics of its own below t.topic(), so the rules begin with `+`.
"""

import os
import subprocess
import tempfile
import time
import urllib.request

from harness import cases, covers, only, options, private, versions
from mqtt_wire import (CONNACK, Client, PUBACK, PUBCOMP, PUBREC, PUBREL, SUBACK, ack, connect,
                       publish, subscribe)
from test_authn import salted
from test_jwt import HMAC, token

FOLDER = tempfile.mkdtemp(prefix="wire-authz-")


def write(name, text):
    path = os.path.join(FOLDER, name)
    with open(path, "w") as out:
        out.write(text)
    return path


PLAIN = write("plain", """
# for all tests of this file
allow user=root
allow all                all        bystander/#
deny  all                publish    +/closed/#
allow user=own           publish    +/own/${username}/#
allow user=low           publish    qos=0 retain=false  +/low
allow client~s1$         subscribe  +/device/#
allow address=127.0.0.2  subscribe  +/here
deny  all                subscribe  +/secret
allow all                publish    +/open/# +/secret +/own/x +/here
allow all                subscribe  +/open/# +/closed/# +/own/# +/low +/w/#
allow user=willing       publish    +/w/#
""")
RULES = {"file": PLAIN, "no_match": "deny"}
OPTIONS = {"authorization": RULES}
DISCONNECT_RULES = {**RULES, "deny_action": "disconnect"}


def figures(t):
    with urllib.request.urlopen(f"http://127.0.0.1:{t.broker.admin_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines
            if line and line[0] != "#"}


@only("sluiced")
@versions(4, 5)
@cases([("qos0", 0), ("qos1", 1), ("qos2", 2)])
@covers("MQTT311-3.3.5-2")
def test_a_denied_publication_is_answered_and_dropped(t, qos):
    """3.x has no word for it: a positive acknowledgement; MQTT 5 says 0x87."""
    watcher = t.subscriber(t.topic("closed/#"), t.topic("open/#"))
    client = t.connect("a")
    client.send(publish(t.topic("closed/x"), b"no", qos=qos, packet_id=7 if qos else None,
                        version=t.version))
    if qos == 1:
        client.expect(PUBACK, packet_id=7, reason=0x87 if t.version == 5 else 0)
    if qos == 2:
        client.expect(PUBREC, packet_id=7, reason=0x87 if t.version == 5 else 0)
        if t.version == 4:
            client.send(ack(PUBREL, 7))
            client.expect(PUBCOMP, packet_id=7)
    client.publish(t.topic("open/x"), "yes", qos=qos)
    watcher.take(t.topic("open/x"), "yes")
    t.quiet(watcher)


@only("sluiced")
@versions(4, 5)
@cases([("qos0", 0), ("qos1", 1), ("qos2", 2)])
@options(authorization=DISCONNECT_RULES)
@covers("MQTT311-3.3.5-2")
def test_a_denied_publication_ends_the_connection_if_so_configured(t, qos):
    client = t.connect("a")
    client.send(publish(t.topic("closed/x"), b"no", qos=qos, packet_id=7 if qos else None,
                        version=t.version))
    client.expect_error(0x87)


@only("sluiced")
@versions(4, 5)
@covers("MQTT5-3.9.3-1", "MQTT5-3.9.3-2", "MQTT311-3.9.3-1", "MQTT311-3.9.3-2")
def test_a_denied_filter_has_its_code_in_suback(t):
    client = t.connect("a")
    no = 0x87 if t.version == 5 else 0x80
    client.subscribe(t.topic("secret"), t.topic("open/a"), t.topic("nothing"), t.topic("open/#"),
                     reasons=[no, 0, no, 0])
    client.publish(t.topic("open/a"), "m")
    client.take(t.topic("open/a"), "m")


@only("sluiced")
@versions(4, 5)
@options(authorization=DISCONNECT_RULES)
def test_a_denied_filter_ends_the_connection_if_so_configured(t):
    client = t.connect("a")
    no = 0x87 if t.version == 5 else 0x80
    client.send(subscribe(3, [(t.topic("open/a"), 0), (t.topic("secret"), 0)], version=t.version))
    client.expect(SUBACK, packet_id=3, reasons=[0, no])
    client.expect_error(0x87)


@only("sluiced")
def test_a_filter_is_allowed_if_covered_and_denied_if_it_overlaps(t):
    client = t.connect("a")
    no = 0x87
    client.subscribe(t.topic("#"), t.topic("+"), "#", "+/open/#", t.topic("open/+/x"),
                     reasons=[no, no, no, 0, 0])
    root = t.connect("root", username="root")
    root.subscribe(t.topic("#"), reasons=[0])


@only("sluiced")
@cases([("share", "$share/g/"), ("queue", "$queue/")])
def test_shared_subscriptions_follow_the_permission_for_their_filter(t, prefix):
    client = t.connect("a")
    client.subscribe(prefix + t.topic("secret"), prefix + t.topic("open/s"), reasons=[0x87, 0])
    t.connect("b").publish(t.topic("open/s"), "m")
    client.take(t.topic("open/s"), "m")


@only("sluiced")
def test_retained_messages_follow_the_permission_to_subscribe(t):
    root = t.connect("root", username="root")
    root.publish(t.topic("secret"), "s", qos=1, retain=True)
    root.publish(t.topic("open/r"), "r", qos=1, retain=True)
    t.settle()
    client = t.connect("a")
    client.subscribe(t.topic("secret"), t.topic("open/#"), reasons=[0x87, 0])
    client.take(t.topic("open/r"), "r")
    t.quiet(client)
    for name in ("secret", "open/r"):
        root.publish(t.topic(name), "", qos=1, retain=True)


@only("sluiced")
def test_qos_and_retain_are_part_of_the_question(t):
    client = t.connect("a", username="low")
    for qos, retain, reason in ((1, False, 0x87), (0, False, None), (1, True, 0x87)):
        client.send(publish(t.topic("low"), b"m", qos=qos, retain=retain,
                            packet_id=5 if qos else None))
        if qos:
            client.expect(PUBACK, packet_id=5, reason=reason)
    watcher = t.subscriber(t.topic("low"))
    client.publish(t.topic("low"), "kept", retain=True)
    client.publish(t.topic("low"), "told")
    watcher.take(t.topic("low"), "told")
    late = t.subscriber(t.topic("low"), suffix="late")
    t.quiet(watcher, late)


@only("sluiced")
def test_placeholders_are_the_clients_own_words(t):
    watcher = t.subscriber(t.topic("own/#"))
    own = t.connect("a", username="own")
    own.publish(t.topic("own/own/a"), "mine", qos=1)
    own.send(publish(t.topic("own/other/a"), b"x", qos=1, packet_id=9))
    own.expect(PUBACK, packet_id=9, reason=0x87)
    other = t.connect("b", username="other")
    other.send(publish(t.topic("own/other/a"), b"x", qos=1, packet_id=9))
    other.expect(PUBACK, packet_id=9, reason=0x87)
    watcher.take(t.topic("own/own/a"), "mine")
    t.quiet(watcher)


@only("sluiced")
def test_client_ids_by_expression_and_addresses_by_range(t):
    t.connect("s1").subscribe(t.topic("device/#"), reasons=[0])
    t.connect("s2").subscribe(t.topic("device/#"), reasons=[0x87])
    t.connect("h1", source="127.0.0.2").subscribe(t.topic("here"), reasons=[0])
    t.connect("h2", source="127.0.0.3").subscribe(t.topic("here"), reasons=[0x87])


@only("sluiced")
def test_an_alias_is_judged_like_its_topic(t):
    """Also when what the session remembers of it is asked again, and other topics come between."""
    client = t.connect("a")
    for name, alias, reason in (("open/a", 1, 0x10), ("closed/a", 2, 0x87)):
        client.send(publish(t.topic(name), b"m", qos=1, packet_id=alias,
                            props={"topic_alias": alias}))
        client.expect(PUBACK, packet_id=alias, reason=reason)
    for turn in range(100):
        topic = t.topic(f"open/{turn % 40}")
        client.send(publish(topic, b"m", qos=1, packet_id=3))
        client.expect(PUBACK, packet_id=3, reason=0x10)
        for alias, reason in ((1, 0x10), (2, 0x87)):
            client.send(publish("", b"m", qos=1, packet_id=4, props={"topic_alias": alias}))
            client.expect(PUBACK, packet_id=4, reason=reason)


@only("sluiced")
@versions(4, 5)
@cases([("allowed", "willing", True), ("denied", "eve", False)])
def test_a_will_is_judged_when_it_is_published(t, user, allowed):
    watcher = t.subscriber(t.topic("w/#"))
    client = t.connect("a", username=user, will={"topic": t.topic("w/x"), "payload": b"gone"})
    client.reset()
    if allowed:
        watcher.take(t.topic("w/x"), "gone")
    t.quiet(watcher)


@only("sluiced")
@private(bystander=False)
@options(admin=True)
def test_what_is_decided_is_counted(t):
    client = t.connect("a")
    before = figures(t)
    for _ in range(10):
        client.publish(t.topic("open/a"), "m")
    client.publish(t.topic("closed/a"), "m")
    client.subscribe(t.topic("open/a"), t.topic("secret"), reasons=[0, 0x87])
    client.ping()
    after = figures(t)
    grown = {name: after[name] - before[name] for name in after if name.startswith("sluice_authz")}
    t.equal(grown['sluice_authz_publish_total{result="allow"}'], 10)
    t.equal(grown['sluice_authz_publish_total{result="deny"}'], 1)
    t.equal(grown['sluice_authz_publish_cached_total'], 9)
    t.equal(grown['sluice_authz_subscribe_total{result="allow"}'], 1)
    t.equal(grown['sluice_authz_subscribe_total{result="deny"}'], 1)


@only("sluiced")
@private()
@options(admin=True, authorization={"file": write("reload", "allow all")})
def test_new_rules_hold_for_clients_that_are_connected(t):
    client = t.subscriber(t.topic("a"), t.topic("b"), "$share/g/" + t.topic("c"), suffix="a")
    client.publish(t.topic("b"), "one", qos=1)
    client.take(t.topic("b"), "one")
    write("reload", f"deny all all {t.topic('b')} {t.topic('c')}\nallow all")
    t.equal(t.broker.hang_up(), "applied")
    client.send(publish(t.topic("b"), b"two", qos=1, packet_id=5))
    client.expect(PUBACK, packet_id=5, reason=0x87)
    deadline = time.monotonic() + 10
    while figures(t)["sluice_authz_subscriptions_revoked_total"] < 2:
        t.true(time.monotonic() < deadline, "subscriptions are not taken away")
    t.equal(figures(t)["sluice_subscriptions"], 2)  # with that of the bystander
    client.unsubscribe(t.topic("b"), reasons=[0x11])
    client.publish(t.topic("a"), "three", qos=1)
    client.take(t.topic("a"), "three")
    t.quiet(client)


@only("sluiced")
@private()
@options(admin=True)
@cases([("plain", "deny all\nallow everybody\n", ":2:7:"),
        ("emqx", "{deny, all}.\n{allow, everybody}.\n", ":2:9:"),
        ("mosquitto", "topic #\nuser\n", ":2:5:")])
def test_broken_rules_change_nothing_and_say_where(t, text, says):
    path = write(f"broken-{t.test.number}", "deny all publish x\nallow all")
    t.equal(t.broker.reload(authorization={"file": path}), "applied")
    write(f"broken-{t.test.number}", text)
    t.equal(t.broker.hang_up(), "refused")
    t.broker.says(path + says)
    client = t.connect("a")
    client.send(publish("x", b"m", qos=1, packet_id=5))
    client.expect(PUBACK, packet_id=5, reason=0x87)
    client.subscribe(t.topic("y"), reasons=[0])
    write(f"broken-{t.test.number}", "deny all publish x\nallow all")
    t.equal(t.broker.hang_up(), "applied")


@only("sluiced")
@versions(4, 5)
def test_a_resumed_session_keeps_what_its_client_may_have(t):
    """The subscriptions of root, who may do everything, and then of somebody else."""
    root = t.persistent("a", username="root")
    root.subscribe(t.topic("secret"), t.topic("open/a"), qos=1)
    root.disconnect()
    eve = t.persistent("a", username="eve")
    t.true(t.version == 3 or eve.connack.session_present, "the session is there")
    other = t.connect("b", username="root")
    other.publish(t.topic("secret"), "no", qos=1)
    other.publish(t.topic("open/a"), "yes", qos=1)
    eve.take(t.topic("open/a"), "yes", qos=1)
    t.quiet(eve)


@only("sluiced")
@versions(4, 5)
@options(authorization={"session_owner": True})
def test_a_session_belongs_to_the_user_who_made_it(t):
    ann = t.persistent("a", username="ann")
    ann.subscribe(t.topic("x"), qos=1)
    for user in ("eve", None):
        thief = t.socket()
        thief.send(connect(t.id("a"), version=t.version, username=user))
        if t.version == 5:
            thief.expect(CONNACK, reason=0x87)
        else:
            thief.expect(CONNACK, reason=5)
        thief.expect_close()
    ann.ping()
    ann.disconnect()
    thief = t.socket()
    thief.send(connect(t.id("a"), version=t.version, username="eve"))
    thief.expect(CONNACK, reason=0x87 if t.version == 5 else 5)
    again = t.persistent("a", username="ann")
    t.true(again.connack.session_present, "the session is still there")


@only("sluiced")
@private(bystander=False)
@options(authorization={"session_owner": True}, data=True)
def test_a_session_belongs_to_its_user_after_crashes_too(t):
    """From the record of CONNECT, from a snapshot, and moved to another number of shards."""
    for user in ("ann", None):
        t.persistent(str(user), username=user).abandon()
    for change in ({}, {}, {"shards": 3}, {"stop": True}):
        t.broker.crash(**change)
        for user, other in (("ann", "eve"), ("ann", None), (None, "eve")):
            thief = t.socket()
            thief.send(connect(t.id(str(user)), version=5, username=other))
            thief.expect_refused(0x87)
        for user in ("ann", None):
            again = t.persistent(str(user), username=user)
            t.true(again.connack.session_present, f"the session is gone after {change}")
            again.abandon()


@only("sluiced")
@versions(4, 5)
@options(authorization={})
def test_without_rules_clients_of_this_machine_may_do_everything(t):
    client = t.connect("a")
    client.subscribe("$SYS/#", "#", "+/#", reasons=[0, 0, 0])


@only("sluiced")
@cases([("sys", "10.0.0.1", "$SYS/#", "subscribe", "deny: built-in rules:2"),
        ("sys-below", "10.0.0.1", "$SYS/+/x", "subscribe", "deny: built-in rules:2"),
        ("all", "10.0.0.1", "#", "subscribe", "deny: built-in rules:2"),
        ("all-plus", "10.0.0.1", "+/#", "subscribe", "deny: built-in rules:2"),
        ("sys-publish", "10.0.0.1", "$SYS/x", "publish", "deny: built-in rules:3"),
        ("other", "10.0.0.1", "a/#", "subscribe", "allow: built-in rules:4"),
        ("local", "127.0.0.1", "$SYS/#", "subscribe", "allow: built-in rules:1"),
        ("local-six", "::1", "#", "subscribe", "allow: built-in rules:1"),
        ("unix", "unix", "$share/g/$SYS/#", "subscribe", "allow: built-in rules:1")])
@options(authorization={})
def test_sluicectl_says_which_built_in_rule_decides(t, address, topic, action, answer):
    command = os.path.join(os.path.dirname(t.broker.command[0]), "sluicectl")
    run = subprocess.run([command, "acl", "check", "--client", "c", "--addr", address, "--topic",
                          topic, action], capture_output=True, text=True)
    t.equal(run.stdout.strip(), answer, run.stderr)
    t.equal(run.returncode, 0)


@only("sluiced")
def test_sluicectl_says_which_rule_of_the_file_decides(t):
    command = os.path.join(os.path.dirname(t.broker.command[0]), "sluicectl")
    conf = write("check.yaml", f"authorization: {{file: {PLAIN}}}\n")

    def check(*words):
        run = subprocess.run([command, "acl", "check", "--config", conf, *words],
                             capture_output=True, text=True)
        return run.returncode, run.stdout.strip(), run.stderr
    t.equal(check("--user", "low", "--topic", "a/low", "publish")[:2], (0, f"allow: {PLAIN}:7"))
    t.equal(check("--user", "low", "--topic", "a/low", "--retain", "publish")[:2],
            (0, "deny: no rule fits; authorization.no_match decides"))
    t.equal(check("--user", "own", "--topic", "a/own/own/x", "publish")[:2],
            (0, f"allow: {PLAIN}:6"))
    t.equal(check("--topic", "a/+", "subscribe")[:2], (0, f"deny: {PLAIN}:10"))
    for words in (("--topic", "a"), ("publish",), ("--topic", "a/#", "publish"),
                  ("--topic", "a", "--qos", "3", "publish"), ("--addr", "x", "publish")):
        t.equal(check(*words)[0], 2)
    write("check.yaml", "authorization: {file: /nowhere/acl}\n")
    code, _, said = check("--topic", "a", "publish")
    t.equal(code, 1)
    t.true("authorization.file: /nowhere/acl" in said, said)


MOUNT_RULES = """
allow user=out           all        #
allow all                publish    mine/${username}/# will/ok
allow all                subscribe  mine/${username}/# given
deny  all
"""


@only("sluiced")
@private(bystander=False)
@options(admin=True, more=[{"bind": "tcp://127.0.0.1:{a}", "mountpoint": "in/${username}/"}],
         authorization={"file": write("mounted", MOUNT_RULES)})
def test_rules_see_what_the_client_calls_its_topics(t):
    """What is behind the mount point, as in EMQX: publications, filters, wills, the cache, and
    subscriptions that are judged anew."""
    def come(suffix, **values):
        client = Client(t.broker.host, t.broker.ports["a"], 5, timeout=t.timeout)
        t.clients.append(client)
        client.connect(t.id(suffix), username="eva", **values)
        return client
    outside = t.connect("out", username="out")
    outside.subscribe("in/eva/#", qos=1)
    eva = come("eva")
    for number in range(3):  # the second answer comes from what the session remembers
        eva.publish("mine/eva/a", str(number), qos=1)
        outside.take("in/eva/mine/eva/a", str(number))
        eva.publish("in/eva/mine/eva/a", b"", qos=1, reason=0x87)
        eva.publish("other", b"", qos=1, reason=0x87)
    eva.subscribe("mine/eva/#", "given", "other", "$share/g/given", "#",
                  reasons=[0, 0, 0x87, 0, 0x87])
    for topic, comes in (("will/ok", True), ("will/no", False)):
        come(topic[-2:], will={"topic": topic, "payload": "gone"}).abandon()
        if comes:
            outside.take("in/eva/will/ok", "gone")
    t.quiet(outside)
    outside.publish("in/eva/given", "1", qos=1)
    t.equal(sorted(eva.take("given").payload for _ in range(2)), [b"1", b"1"])
    without = write("mounted-less", MOUNT_RULES.replace(" given", ""))
    t.equal(t.broker.reload(authorization={"file": without}), "applied")
    deadline = time.monotonic() + t.timeout
    while figures(t)["sluice_authz_subscriptions_revoked_total"] < 2 and \
            time.monotonic() < deadline:
        time.sleep(0.01)
    outside.publish("in/eva/given", "2", qos=1)
    outside.publish("in/eva/mine/eva/b", "3", qos=1)
    eva.take("mine/eva/b", "3")
    t.quiet(eva)


# --------------------------------------------------- superusers, and rules that come with a token

CLOSED = write("closed", "allow all all file/#\n")
MEMBERS = write("members", f"chief:{salted('c')}:superuser\neva:{salted('e')}\n")


def denied(t, client, topic):
    client.publish(topic, b"", qos=1, reason=0x87)
    client.subscribe(topic, reasons=[0x87])


def granted(t, client, topic):
    client.subscribe(topic, reasons=[1], qos=1)
    client.publish(topic, "x", qos=1)
    client.take(topic, "x")


@only("sluiced")
@private(bystander=False)
@options(authentication=[{"type": "password_file", "path": MEMBERS}],
         authorization={"file": CLOSED, "no_match": "deny"})
def test_superusers_are_not_asked_about(t):
    chief, eva = (t.connect(name, username=name, password=word)
                  for name, word in (("chief", "c"), ("eva", "e")))
    granted(t, chief, "secret/a")
    chief.subscribe("$SYS/#", "#", reasons=[0, 0])
    denied(t, eva, "secret/a")
    granted(t, eva, "file/a")
    eva.subscribe("$SYS/#", "#", reasons=[0x87, 0x87])


@only("sluiced")
@private(bystander=False)
@options(authentication=[HMAC], authorization={"file": CLOSED, "no_match": "allow"})
def test_rules_of_a_token_stand_before_the_file(t):
    """What they do not allow is denied, and the file is not asked; without rules it is."""
    def come(suffix, **claims):
        return t.connect(suffix, username="eva", password=token(**claims))
    ruled = come("ruled", acl=[
        {"permission": "allow", "action": "subscribe", "topic": "eq own/+"},
        {"permission": "deny", "action": "all", "topic": "own/no"},
        {"permission": "allow", "action": "all", "topic": "own/${clientid}/#"},
        {"permission": "allow", "action": "publish", "topic": "one", "qos": [1], "retain": False}])
    granted(t, ruled, f"own/{t.id('ruled')}/a")
    for topic in ("own/no", "own/other/a", "file/a"):
        denied(t, ruled, topic)
    ruled.subscribe("own/+", "own/x", "one", reasons=[0, 0x87, 0x87])
    ruled.publish("one", "", qos=1)
    ruled.publish("one", "", qos=2, reason=0x87)
    ruled.publish("one", "", qos=1, retain=True, reason=0x87)
    denied(t, come("none", acl=[]), "file/a")
    granted(t, come("free"), "file/a")
    granted(t, come("chief", is_superuser=True, acl=[]), "own/no")
