"""The endpoint for operators: what it counts while clients run, in both formats, and health.

Prometheus itself takes part where it is installed (Debian's package `prometheus`): promtool judges
the text, and a server scrapes the broker.
"""

import json
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import ports
from harness import Skip, cases, only, options, private, slow, versions
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Failure, ack, publish

OPTIONS = {"admin": True}

OPENMETRICS = "application/openmetrics-text"
LATENCY = "sluice_publish_to_deliver_seconds"
SAMPLE = re.compile(r'([a-z_]+)(\{[^}]*\})? (\S+)')


def http(t, path, method="GET", **headers):
    """(status, headers, text) of one request."""
    request = urllib.request.Request(f"http://127.0.0.1:{t.broker.admin_port}{path}",
                                     method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=t.timeout) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def samples_of(text):
    """{name with labels: value} of either format."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        if not match or match[1] + (match[2] or "") in found:
            raise Failure(f"not a sample, or twice: {line}")
        found[match[1] + (match[2] or "")] = float(match[3])
    return found


def scrape(t):
    status, _, text = http(t, "/metrics")
    t.equal(status, 200)
    return samples_of(text)


def until(t, condition, text):
    """Scrapes until `condition(samples)`; counting is on other shards and may be a moment late."""
    deadline = time.monotonic() + t.timeout
    while True:
        found = scrape(t)
        if condition(found):
            return found
        if time.monotonic() > deadline:
            raise Failure(text)
        time.sleep(0.01)


@only("sluiced")
@private()
def test_messages_are_counted_by_qos_and_their_latency_is_recorded(t):
    publisher, subscribers = t.connect("pub"), [t.connect(f"sub{i}") for i in range(5)]
    for subscriber in subscribers:
        subscriber.subscribe(t.topic("#"), qos=2)
    before = scrape(t)
    for qos, count in ((0, 4), (1, 3), (2, 2)):
        for number in range(count):
            publisher.publish(t.topic(), "x" * 100, qos=qos)
    t.gather(subscribers, 5 * 9)
    after = until(t, lambda found: found[LATENCY + "_count"] - before[LATENCY + "_count"] >= 45,
                  "not every copy was recorded")
    # The runner's own clients publish nothing meanwhile.
    for qos, count in (("0", 4), ("1", 3), ("2", 2)):
        for name, times in (("received", 1), ("sent", 5)):
            key = f'sluice_messages_{name}_total{{qos="{qos}"}}'
            t.equal(after[key] - before[key], count * times, key)
    for name, times in (("received", 1), ("sent", 5)):
        for qos, count in (("0", 4), ("1", 3), ("2", 2)):
            # 100 bytes of payload, then topic, identifier, properties and the header
            size = len(t.topic()) + 100 + 2 + 2 + 1 + (2 if qos != "0" else 0)
            key = f'sluice_messages_{name}_bytes_total{{qos="{qos}"}}'
            t.equal(after[key] - before[key], count * times * size, key)
    t.equal(after[LATENCY + "_count"] - before[LATENCY + "_count"], 45, "copies in the histogram")
    key = 'sluice_packets_received_total{type="publish"}'
    t.equal(after[key] - before[key], 9, key)
    t.true(after["sluice_received_bytes_total"] - before["sluice_received_bytes_total"] > 900,
           "bytes received")
    t.true(after[LATENCY + '_bucket{le="1.0"}'] == after[LATENCY + "_count"],
           "a copy took more than a second")
    t.equal([after[key] for key in after if key.startswith("sluice_build_info")], [1])
    t.equal(after["sluice_shards"], t.broker.shards)
    t.true(after["sluice_subscriptions"] >= 5 and after["sluice_filters"] >= 1, "subscriptions")


@only("sluiced")
@private()
def test_a_queue_is_seen_and_its_wait_recorded(t):
    reader = t.persistent("reader")
    reader.subscribe(t.topic(), qos=1)
    reader.disconnect()
    publisher = t.connect("pub")
    for number in range(5):
        publisher.publish(t.topic(), "x" * 1000, qos=1)
    found = until(t, lambda found: found["sluice_queue_messages"] == 5, "five messages do not wait")
    t.true(found["sluice_queue_bytes"] > 5000, "bytes of the queue")
    waited = found[LATENCY + "_count"]
    time.sleep(0.3)
    reader = t.persistent("reader")
    t.gather([reader], 5)
    found = until(t, lambda found: found["sluice_queue_messages"] == 0, "messages still wait")
    t.equal(found["sluice_queue_bytes"], 0, "bytes of the queue")
    found = until(t, lambda found: found[LATENCY + "_count"] == waited + 5,
                  "the copies of the queue were not recorded")
    late = found[LATENCY + '_bucket{le="+Inf"}'] - found[LATENCY + '_bucket{le="0.25"}']
    t.equal(late, 5, "copies that waited for more than 0.25 s")
    t.true(found[LATENCY + "_sum"] >= 5 * 0.3, "the sum of the times")


@only("sluiced")
@options(data=True)
@private(bystander=False)
@cases([("qos_1", 1), ("qos_2", 2)])
def test_messages_in_flight_are_counted(t, qos):
    def seen(number, what):
        until(t, lambda found: found["sluice_inflight_messages"] == number, what)

    reader = t.persistent("reader")
    reader.subscribe(t.topic(), qos=qos)
    publisher = t.connect("pub")
    for number in range(4):
        publisher.publish(t.topic(), "x", qos=qos)
    packets = [reader.expect(PUBLISH) for _ in range(4)]
    seen(4, "four messages are not in flight")
    if qos == 1:
        reader.send(ack(PUBACK, packets[0].packet_id))
    else:
        reader.send(ack(PUBREC, packets[0].packet_id))
        reader.expect(PUBREL)
        seen(4, "a message that was received is still in flight")
        reader.send(ack(PUBCOMP, packets[0].packet_id))
    seen(3, "a completed message is in flight")
    reader.disconnect()
    seen(3, "messages of a client that is away are in flight")
    t.broker.crash()
    seen(3, "recovered messages are in flight")
    reader = t.persistent("reader", clean=True)
    seen(0, "messages of an ended session are in flight")


@only("sluiced")
@versions(5)
@private()
@cases([("qos_1", 1, PUBACK), ("qos_2", 2, PUBREC)])
def test_a_refused_message_is_not_in_flight(t, qos, answer):
    reader = t.connect("reader")
    reader.subscribe(t.topic(), qos=qos)
    publisher = t.connect("pub")
    for number in range(3):
        publisher.publish(t.topic(), "x", qos=qos)
    packets = [reader.expect(PUBLISH) for _ in range(3)]
    reader.send(ack(answer, packets[1].packet_id, reason=0x97))
    until(t, lambda found: found["sluice_inflight_messages"] == 2, "a refused message is in flight")


@only("sluiced")
@private()
def test_retained_messages_are_no_latency(t):
    publisher = t.connect("pub")
    for number in range(10):
        publisher.publish(t.topic(str(number)), "x", qos=1, retain=True)
    before = until(t, lambda found: found["sluice_retained_messages"] == 10, "ten are retained")
    t.true(before["sluice_retained_bytes"] > 0, "bytes of retained messages")
    for qos in (0, 1):
        subscriber = t.subscriber(t.topic("+"), suffix=f"sub{qos}", qos=qos)
        t.gather([subscriber], 10)
    after = until(t, lambda found: found["sluice_retained_sent_total"] == 20, "twenty are sent")
    t.equal(after[LATENCY + "_count"], before[LATENCY + "_count"], "copies in the histogram")


@only("sluiced")
def test_both_formats_have_the_same_samples(t):
    status, headers, text = http(t, "/metrics")
    t.equal(status, 200)
    t.equal(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
    status, headers, openmetrics = http(t, "/metrics", Accept=OPENMETRICS)
    t.equal(status, 200)
    t.equal(headers["Content-Type"], OPENMETRICS + "; version=1.0.0; charset=utf-8")
    t.true(openmetrics.endswith("\n# EOF\n") and openmetrics.count("# EOF") == 1, "# EOF")
    t.equal(sorted(samples_of(text)), sorted(samples_of(openmetrics)), "names")
    t.true(len(text) < 65536, "an answer is not large")


@only("sluiced")
def test_families_are_whole(t):
    """Each sample stands under the TYPE of its family, and buckets rise to the count."""
    for accept in ("text/plain", OPENMETRICS):
        family, kind, seen, bucket = None, None, set(), 0
        for line in http(t, "/metrics", Accept=accept)[2].splitlines():
            words = line.split(" ")
            if words[1] == "TYPE":
                family, kind, bucket = words[2], words[3], 0
                t.true(family not in seen, f"{family} is opened twice")
                seen.add(family)
            elif line[0] != "#":
                name = words[0].split("{")[0]
                suffix = name[len(family):]
                allowed = {"counter": {"", "_total"}, "gauge": {""}, "info": {"_info"},
                           "histogram": {"_bucket", "_count", "_sum"}}[kind]
                t.true(name.startswith(family) and suffix in allowed, f"{name} under {family}")
                if suffix == "_bucket":
                    t.true(float(words[1]) >= bucket, f"{line} is below the bucket before")
                    bucket = float(words[1])
                elif suffix == "_count" and kind == "histogram":
                    t.equal(float(words[1]), bucket, name)


@only("sluiced")
def test_paths_and_methods(t):
    t.equal(http(t, "/livez")[::2], (200, "ok\n"))
    t.equal(http(t, "/readyz")[::2], (200, "ok\n"))
    t.equal(http(t, "/")[0], 404)
    t.equal(http(t, "/metrics", "POST")[0], 405)
    status, headers, text = http(t, "/metrics", "HEAD")
    t.equal((status, text), (200, ""))
    t.true(int(headers["Content-Length"]) > 1000, "the length of what GET gives")


@only("sluiced")
def test_scrapes_do_not_disturb_traffic(t):
    publisher, subscriber = t.connect("pub"), t.subscriber(t.topic("#"))
    stop, wrong, scrapes = threading.Event(), [], [0]

    def scrape_on():
        last = {}
        while not stop.is_set():
            try:
                found = scrape(t)
            except Exception as error:
                wrong.append(str(error))
                return
            for key, value in found.items():
                if "_total" in key and value < last.get(key, 0):
                    wrong.append(f"{key} fell from {last[key]} to {value}")
            last = found
            scrapes[0] += 1

    threads = [threading.Thread(target=scrape_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(300):
            publisher.publish(t.topic(), str(number))
            t.equal(subscriber.expect(3).payload, str(number).encode())
        while scrapes[0] < 10 and not wrong:
            time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    t.equal(wrong, [])


SLOW_DROPS = 'sluice_messages_dropped_total{reason="qos0_slow"}'


def clog(t, publisher, reader):
    """Publishes to a topic until a client of its filter that does not read takes nothing at all
    any more; the reader gets everything."""
    dropped, full, sent = 0, 0, 0
    while full < 5:
        t.true(sent < 30000, "a client that does not read has room for all that")
        for number in range(sent, sent + 20):
            publisher.send(publish(t.topic("x"), b"%d" % number + bytes(1000),
                                   version=t.version))
        sent += 20
        reader.take_all(20)
        before, dropped = dropped, scrape(t)[SLOW_DROPS]
        full = full + 1 if dropped - before == 20 else 0


@only("sluiced")
@versions(4, 5)
@options(limits={"connection_output_bytes": "64KB"})
@private(bystander=False)
def test_who_does_not_read_loses_QoS_0_and_costs_nobody_else_a_message(t):
    """It is passed over until it reads again. Who subscribes meanwhile, also to the same filter,
    gets everything, and so does the slow one of QoS 1 and after it has read."""
    publisher, reader = t.connect("pub"), t.subscriber(t.topic("x"), suffix="reader")
    deaf = t.subscriber(t.topic("+"), suffix="slow", qos=1, receive_buffer=4096)
    clog(t, publisher, reader)
    late = t.subscriber(t.topic("+"), suffix="late")
    for number in range(10):
        publisher.publish(t.topic("x"), f"late {number}")
    for client in (reader, late):
        t.equal([client.take().payload for _ in range(10)],
                [b"late %d" % number for number in range(10)])
    publisher.publish(t.topic("x"), "kept", qos=1)
    reader.take(payload="kept")
    late.take(payload="kept")
    dropped = scrape(t)[SLOW_DROPS]
    got = deaf.take()
    while got.payload != b"kept":
        got = deaf.take()
    t.equal(got.qos, 1)
    publisher.publish(t.topic("x"), "again")
    for client in (reader, late, deaf):
        client.take(payload="again")
    t.equal(scrape(t)[SLOW_DROPS], dropped)


@only("sluiced")
@options(limits={"connection_output_bytes": "64KB"}, mqueue_store_qos0=True)
@private(bystander=False)
def test_who_did_not_read_and_is_gone_is_kept_for(t):
    """A session that was passed over while it was connected is not when it is not any more."""
    publisher, reader = t.connect("pub"), t.subscriber(t.topic("x"), suffix="reader")
    deaf = t.persistent("slow", receive_buffer=4096)
    deaf.subscribe(t.topic("+"), qos=1)
    clog(t, publisher, reader)
    deaf.reset()
    until(t, lambda found: found["sluice_connections"] == 2, "it never leaves")
    publisher.publish(t.topic("x"), "kept")
    reader.take(payload="kept")
    again = t.persistent("slow")
    t.equal(again.take().payload, b"kept")


@only("sluiced")
@options(limits={"connection_output_bytes": "64MB"})
@private(ends=True, bystander=False)
def test_a_broker_that_stops_is_not_ready(t):
    """A client that does not read holds up the drain, and /readyz tells meanwhile."""
    publisher = t.connect("pub")
    subscriber = t.subscriber(t.topic(), receive_buffer=4096)
    for number in range(300):
        publisher.publish(t.topic(), "x" * 100000)
    publisher.ping()
    t.broker.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + t.timeout
    status, _, text = http(t, "/readyz")
    while status == 200 and time.monotonic() < deadline:
        status, _, text = http(t, "/readyz")
    t.equal(status, 503)
    t.true(text.startswith("stopping") and text.count("\n") == 1, f"one line: {text!r}")
    t.equal(scrape(t)["sluice_ready"], 0)
    t.equal(http(t, "/livez")[0], 200)
    subscriber.abandon()
    t.equal(t.broker.process.wait(20), 0, "exit code")


def start_another(t, *arguments):
    """Another broker process of the kind under test; (process, its stderr)."""
    errors = tempfile.TemporaryFile("w+")
    command = t.broker.command + ["--listen", f"tcp://127.0.0.1:{ports.take()}", "--data", "none",
                                  "--shards", "1", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors), errors


def said(errors):
    errors.seek(0)
    return errors.read()


@only("sluiced")
def test_the_default_address_may_be_taken_but_not_a_configured_one(t):
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            holder.bind(("127.0.0.1", 18083))
            holder.listen()
            break
        except OSError:
            time.sleep(0.1)  # the same test beside this one has it; or else who keeps it
    process, errors = start_another(t)
    deadline = time.monotonic() + 20
    while "ready" not in said(errors) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    t.true("warning no metrics: tcp://127.0.0.1:18083 is in use" in said(errors), said(errors))
    process.send_signal(signal.SIGTERM)
    t.equal(process.wait(20), 0, "exit code")
    process, errors = start_another(t, "--admin", f"tcp://127.0.0.1:{t.broker.admin_port}")
    t.equal(process.wait(20), 1, "exit code")
    t.true("admin.listen: cannot listen at" in said(errors), said(errors))
    holder.close()


@only("sluiced")
def test_no_openssl_is_mapped(t):
    with open(f"/proc/{t.broker.pid}/maps") as maps:
        text = maps.read()
    t.true("microhttpd" in text, "the maps are those of the broker")
    for line in text.splitlines():
        if "libcrypto." in line or "libssl." in line:
            t.true("/android/" in line and ".so.3" not in line, line)


def tool(name):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} is not installed")
    return path


@only("sluiced")
def test_promtool_has_nothing_to_say(t):
    promtool = tool("promtool")
    done = subprocess.run([promtool, "check", "metrics"], input=http(t, "/metrics")[2],
                          capture_output=True, text=True, timeout=60)
    t.equal((done.returncode, done.stdout + done.stderr), (0, ""))


def ask_prometheus(port, query):
    url = f"http://127.0.0.1:{port}/api/v1/query?query={query}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


@only("sluiced")
@slow
def test_a_prometheus_scrapes_it(t):
    prometheus, port, folder = tool("prometheus"), ports.take(), tempfile.mkdtemp(prefix="prom-")
    with open(f"{folder}/prometheus.yml", "w") as out:
        out.write("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
                  "  - job_name: sluice\n    static_configs:\n"
                  f"      - targets: ['127.0.0.1:{t.broker.admin_port}']\n")
    process = subprocess.Popen(
        [prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    try:
        deadline, value = time.monotonic() + 60, None
        query = "sluice_connections_accepted_total%20and%20on(instance)%20up%20==%201"
        while value is None and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.3)
            try:
                value = ask_prometheus(port, query)
            except OSError:
                pass  # it is not up yet
        t.true(value is not None and value >= 1, f"Prometheus has {value}")
        buckets = ask_prometheus(port, f"count({LATENCY}_bucket)")
        t.equal(buckets, 22, "buckets in Prometheus")
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
