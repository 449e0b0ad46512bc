"""The ban list, from the operator's file, and clients that come and go too often."""

import os
import time

from harness import cases, only, options, private, slow, versions
from mqtt_wire import Closed, Failure, TimedOut, connect
from test_metrics import scrape

OPTIONS = {"admin": True, "banned": {"bootstrap_file": ""}}


def ban(t, *rows, header="as,who,reason,at,until,by"):
    """Writes the file with these rows and reloads."""
    path = os.path.join(t.broker.folder, "bans")
    with open(path, "w") as out:
        out.write(header + "\n" + "".join(row + "\n" for row in rows))
    return t.broker.reload(banned={"bootstrap_file": path})


def refused(t, suffix="x", source=None, **values):
    client = t.socket(source=source)
    client.send(connect(t.id(suffix), version=t.version, **values))
    client.expect_refused(0x8A, 5)


@only("sluiced")
@private()
@versions(4, 5)
@cases([("clientid", "clientid,ID", {}), ("clientid_re", "clientid_re,^w[0-9]+s.*bad$", {}),
        ("username", "username,mallory", {"username": "mallory", "password": b"x"}),
        ("username_re", "username_re,^mal", {"username": "mallory", "password": b"x"}),
        ("peerhost", "peerhost,127.0.0.9", {"source": "127.0.0.9"}),
        ("peerhost_net", "peerhost_net,127.0.0.8/30", {"source": "127.0.0.9"})])
def test_MQTT5_reason_0x8A_banned(t, row, values):
    """Who is banned is refused, who is connected is disconnected, others notice nothing."""
    values = dict(values)
    source = values.pop("source", None)
    good = t.connect("good", username="alice", password=b"x")
    bad = t.socket(source=source)
    bad.connect(t.id("bad"), version=t.version, **values)
    t.equal(ban(t, row.replace("ID", t.id("bad")) + ",,,infinity,me"), "applied")
    bad.expect_error(0x98)
    refused(t, "bad", source, **values)
    good.ping()
    t.connect("other", username="alice", password=b"x").ping()
    found = scrape(t)
    t.equal(found["sluice_bans"], 1)
    t.equal(found["sluice_connects_banned_total"], 1)
    t.equal(found['sluice_connections_closed_total{cause="banned"}'], 1)
    # A row that is gone is a ban that is over.
    t.equal(ban(t), "applied")
    deadline = time.monotonic() + t.timeout
    while True:
        try:
            bad = t.socket(source=source)
            bad.connect(t.id("bad"), version=t.version, **values)
            break
        except Failure:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@only("sluiced")
@private()
@slow
def test_a_ban_ends(t):
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    t.equal(ban(t, f"clientid,{t.id('bad')},,,{until},me"), "applied")
    refused(t, "bad")
    time.sleep(3.3)
    t.connect("bad").ping()
    t.equal(scrape(t)["sluice_bans"], 0)


@only("sluiced")
@private()
def test_a_bad_file_of_bans_changes_nothing(t):
    t.equal(ban(t, f"clientid,{t.id('bad')},,,infinity,me"), "applied")
    refused(t, "bad")
    t.equal(ban(t, f"clientid,{t.id('other')},,,infinity,me", "clientid_re,(,,,infinity,me"),
            "refused")
    t.broker.says("/bans:3: clientid_re \"(\": at byte 1")
    refused(t, "bad")
    t.connect("other").ping()


@only("sluiced")
@private(bystander=False)
def test_many_connections_are_looked_at(t):
    """More than one slice, and with the broker busy meanwhile."""
    clients = [t.connect(number) for number in range(300)]
    t.equal(ban(t, "clientid_re,[02468]$,,,infinity,me"), "applied")
    for number, client in enumerate(clients):
        if number % 2:
            continue
        client.expect_error(0x98)
    for client in clients[1::2]:
        client.ping()


@only("sluiced")
@options(flapping_detect={"enable": True, "max_count": 3, "window_time": "1m", "ban_time": "2s"})
@private()
@slow
@versions(4, 5)
def test_a_client_that_flaps_is_banned_for_a_while(t):
    for number in range(3):
        client = t.connect("flapper")
        if number == 1:
            client.abandon()
            time.sleep(0.05)
        else:
            client.disconnect()
    time.sleep(0.3)
    refused(t, "flapper")
    t.connect("other").ping()
    found = scrape(t)
    t.equal((found["sluice_bans"], found["sluice_flapping_total"]), (1, 1))
    time.sleep(2.5)
    t.connect("flapper").ping()


@only("sluiced")
@options(data=True, flapping_detect={"enable": True, "max_count": 4, "window_time": "1m",
                                     "ban_time": "1h"})
@private(bystander=False)
def test_bans_made_at_run_time_survive_a_crash(t):
    """Two clients that take the session from each other flap, and the ban outlives the process."""
    for _ in range(5):
        try:
            t.connect("flapper")
        except (Failure, TimedOut, Closed):
            break
    time.sleep(0.3)
    refused(t, "flapper")
    t.broker.crash()
    refused(t, "flapper")
    t.connect("other").ping()
    status, answer = t.broker.api("GET", "/banned")
    t.equal((status, [(row["as"], row["who"], row["reason"], row["by"])
                      for row in answer["data"]]),
            (200, [("clientid", t.id("flapper"), "its connections ended too often",
                    "flapping detector")]))


@only("sluiced")
@options(data=True, log_level="info")
@private(bystander=False)
def test_the_file_of_an_earlier_version_moves_into_the_log(t):
    path = os.path.join(t.broker.data, "bans.csv")
    rows = [f"clientid,{t.id('old')},too loud,,,anna"]
    rows += [f"username,user-{number},,,," for number in range(300)]
    with open(path, "w") as out:
        out.write("as,who,reason,at,until,by\n" + "".join(row + "\n" for row in rows))
    t.broker.crash()
    refused(t, "old")
    deadline = time.monotonic() + t.timeout
    while os.path.exists(path):
        t.true(time.monotonic() < deadline, "the file is still there")
        time.sleep(0.02)
    t.true(os.path.exists(path + ".imported"), "the file is gone")
    t.broker.says("301 bans of", "it is now bans.csv.imported")
    t.broker.crash()
    refused(t, "old")
    status, answer = t.broker.api("GET", "/banned?as=clientid")
    t.equal((status, answer["meta"]["count"], answer["data"][0]["by"]), (200, 1, "anna"))
    t.equal(t.broker.api("GET", "/banned?limit=7")[1]["meta"],
            {"page": 1, "limit": 7, "count": 301, "hasnext": True})
