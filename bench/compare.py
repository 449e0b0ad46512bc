#!/usr/bin/python3
"""Sluice beside its peers: the same scenarios, on the same cores, in turns.

    sluice-bench compare [OPTION]...        (or, by itself, bench/compare.py --bench PATH ...)

Brokers are what is found installed (mosquitto, nats-server, rabbitmq-server), Sluice itself, and
whatever --peer NAME=COMMAND starts. One run is: start one broker with the configuration written
here, let sluice-bench run one scenario against it, stop the broker. The runs of all brokers are
interleaved: every scenario once with every broker, then all of that again, --repeat times, and the
order of the brokers turns by one each time. What is printed is medians.

A run counts only if the machine was ours. From /proc/stat: the time that the cores in use were
busy, less the CPU time of the broker's process group, of sluice-bench and of this script; or, if
that is more, the time for which the generator wanted its core and did not have it. More than
--threshold of the time, and the run is thrown away and made again, at most --retries times per
scenario and broker. Where not a single run was undisturbed the median is of the disturbed ones, and
says so.

Where latency is compared `sluice-bench relay` takes part too: a server that only copies, on the
same cores, in the same turns. What it does not reach, the machine does not give: a p99 is asked to
be below a millisecond where the relay's is.

Every process is in a group of its own, is stopped by the id that it had when it was started, and
dies with this script whatever happens to it (PR_SET_PDEATHSIG).
"""
import argparse
import ctypes
import datetime
import gzip
import json
import os
import platform
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
START_S = 60
STOP_S = 10
QUIET_S = 20
RELAY = "relay"
P99_US = 1000

# name, arguments of sluice-bench, what is compared, ratio to reach against mosquitto (None: none),
# the row that it is to be seen against (its figure of the same broker). Rows of the last kind are
# about Sluice alone: loading a million filters takes mosquitto minutes.
PERF = [
    ("10 pairs, QoS 0", "pairs --publishers 10 --qos 0", "rate", 15, None),
    ("10 pairs, QoS 1", "pairs --publishers 10 --qos 1", "rate", 29, None),
    ("10 pairs, QoS 2", "pairs --publishers 10 --qos 2", "rate", 45, None),
    ("100 pairs, QoS 0", "pairs --publishers 100 --window 100", "rate", 7, None),
    ("fan-in 50 to 1, QoS 0", "fan-in --publishers 50", "rate", 12, None),
    ("fan-out 1 to 100, QoS 0", "fan-out --subscribers 100 --window 100", "rate", 16, None),
    ("fan-out 1 to 100, QoS 1", "fan-out --subscribers 100 --window 100 --qos 1", "rate", 20,
     None),
    ("fan-out 1 to 1,000, QoS 0", "fan-out --subscribers 1000 --window 10", "rate", 11, None),
    ("shared 10 to 10, QoS 0", "shared", "rate", 10, None),
    ("shared 10 to 10, QoS 1", "shared --qos 1", "rate", 10, None),
    ("10 pairs, 1 KiB", "pairs --publishers 10 --window 2000 --payload 1024", "rate", 4.5, None),
    ("10 pairs, 16 KiB", "pairs --publishers 10 --window 200 --payload 16384", "rate", 2.5, None),
    ("10 pairs at 1 M/s, QoS 0", "pairs --publishers 10 --rate 1M", "latency", None, None),
    ("100 pairs at 10 k/s, QoS 0", "pairs --publishers 100 --rate 10k", "latency", 1.05, None),
    ("100 pairs at 100 k/s, QoS 0", "pairs --publishers 100 --rate 100k", "latency", 1.05, None),
    ("100 pairs at 10 k/s, QoS 1", "pairs --publishers 100 --rate 10k --qos 1", "latency", 1.05,
     None),
    ("100 pairs at 100 k/s, QoS 1", "pairs --publishers 100 --rate 100k --qos 1", "latency", 1.05,
     None),
    ("10 pairs among 1 M filters", "pairs --publishers 10 --filters 1M", "rate",
     None, "10 pairs, QoS 0"),
    ("10 pairs and a slow consumer", "pairs --publishers 10 --slow 1", "rate", None,
     "10 pairs, QoS 0"),
    ("subscribe storm of 100 k", "pairs --publishers 100 --rate 10k --storm 100k", "latency", None,
     None),
]
QUICK = [row for row in PERF if row[0] in (
    "10 pairs, QoS 0", "10 pairs, QoS 1", "fan-out 1 to 100, QoS 0", "100 pairs at 10 k/s, QoS 0")]
# Sessions outlive their connections: each broker keeps what it can keep (see DURABILITY). What is
# not acknowledged counts against the window, too: a delivery may be ahead of its commit.
DURABLE = [(f"{name} durable pairs, QoS 1",
            f"pairs --qos 1 --durable --publishers {pairs} --window {window} --inflight {window}",
            "rate", None, None)
           for name, pairs, window in (("10", 10, 100), ("100", 100, 100), ("1,000", 1000, 10))]
DURABLE.append(("10 durable pairs at 1 k/s, QoS 1, to PUBACK",
                "pairs --qos 1 --durable --publishers 10 --rate 1k", "puback", None, None))
SETS = {"perf": PERF, "quick": QUICK, "durable": DURABLE}
DURABILITY = {
    "sluice": "PUBACK follows the write to the disk (durability: commit)",
    "mosquitto": "PUBACK follows from memory; the disk gets a snapshot every 30 minutes",
    "nats-server": "PUBACK follows the write to a file, which is synced every 2 minutes",
    "rabbitmq": "PUBACK follows a sync of the file, which many messages share",
}
# What is compared, and which figures: the middle one, and the tail.
LATENCIES = {"latency": ("p50", "p99"), "puback": ("ack_p50", "ack_p99")}

MOSQUITTO = """# Queues and windows without limits, as a closed loop bounds them.
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 0
log_type error
user root
"""
# Where latency is compared. For throughput it would only cost segments, and is not the default.
MOSQUITTO_LATENCY = "set_tcp_nodelay true\n"
MOSQUITTO_DURABLE = "persistence true\npersistence_location {dir}/\n"
SLUICE = """# As it comes, with a data directory of its own.
data_dir: {dir}/data
listeners:
  - bind: tcp://127.0.0.1:{port}
"""
NATS = """# MQTT needs JetStream; its streams are in a directory of their own.
host: 127.0.0.1
port: {port2}
server_name: sluice_bench
jetstream {{ store_dir: "{dir}/jetstream" }}
mqtt {{ host: 127.0.0.1, port: {port}, max_ack_pending: 65535 }}
"""
RABBITMQ = """# Anybody may connect; no limits beside the defaults.
listeners.tcp.1 = 127.0.0.1:{port2}
mqtt.listeners.tcp.1 = 127.0.0.1:{port}
mqtt.allow_anonymous = true
mqtt.prefetch = 65535
loopback_users = none
log.console.level = error
"""


class Broker:
    """How one broker is started: a command, a configuration, variables of the environment."""

    def __init__(self, name, command, config="", environment=None, after=None):
        self.name = name
        self.command = command
        self.config = config
        self.environment = environment or {}
        self.after = after  # a command that ends helpers which outlive their group
        self.config_latency = ""  # added to the configuration where latency is compared
        self.config_durable = ""  # and where sessions are durable
        self.version = ""


def find_brokers(args):
    """Sluice, the peers that are installed (or those of --peers), and the user's own."""
    found = {}
    sluiced = find_sluiced(args)
    if sluiced:
        found["sluice"] = Broker(
            "sluice", f"{sluiced} --config {{config}} --cpus {args.broker_cpus} "
            f"--shards {args.shards or '{cores}'} --admin none", SLUICE)
        found["sluice"].version = output_of([sluiced, "--version"])
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/lib/rabbitmq/bin"
    mosquitto = shutil.which("mosquitto", path=path)
    if mosquitto:
        found["mosquitto"] = Broker("mosquitto", f"{mosquitto} -c {{config}}", MOSQUITTO)
        found["mosquitto"].config_latency = MOSQUITTO_LATENCY
        found["mosquitto"].config_durable = MOSQUITTO_DURABLE
        found["mosquitto"].version = output_of([mosquitto, "-h"])
    nats = shutil.which("nats-server", path=path)
    if nats:
        found["nats-server"] = Broker("nats-server", f"{nats} -c {{config}}", NATS)
        found["nats-server"].version = output_of([nats, "--version"])
    # Debian's script of that name in sbin changes the user, who then owns none of the directories.
    rabbitmq = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin:" + path)
    if rabbitmq:
        found["rabbitmq"] = rabbitmq_broker(rabbitmq)
        found["rabbitmq"].version = "rabbitmq " + output_of(
            [str(Path(rabbitmq).with_name("rabbitmqctl")), "version"])
    if args.peers:
        missing = [name for name in args.peers.split(",") if name not in found]
        if missing:
            sys.exit(f"compare: not found: {', '.join(missing)}")
        found = {n: b for n, b in found.items() if n == "sluice" or n in args.peers.split(",")}
    for peer in args.peer:
        name, equals, command = peer.partition("=")
        if not equals:
            sys.exit("compare: --peer is NAME=COMMAND, with {port} and {dir} in it")
        found[name] = Broker(name, command)
    if not found:
        sys.exit("compare: no broker found; --sluice PATH names Sluice's")
    return list(found.values())


def find_relay(args, rows):
    """The server that only copies, if it has a row to take part in."""
    if not any(has_relay(row) for row in rows):
        return []
    relay = Broker(RELAY, f"{shlex.quote(args.bench)} relay --port {{port}}")
    relay.version = "a server that only copies: " + relay.command
    return [relay]


def has_relay(row):
    """It knows no wildcards, no queues and no QoS 2."""
    others = ("--storm", "--filters", "--slow", "--qos 2", "--durable")
    return row[2] == "latency" and not any(word in row[1] for word in others)


def is_durable(row):
    return "--durable" in row[1] or "durable-" in row[1]


def is_asked(broker, row):
    """Whether the broker takes part in the row."""
    if broker.name == RELAY:
        return has_relay(row)
    return not row[4] or broker.name == "sluice"


def rabbitmq_broker(path):
    environment = {
        "RABBITMQ_NODENAME": "sluicebench@localhost",
        "RABBITMQ_MNESIA_BASE": "{dir}/mnesia",
        "RABBITMQ_LOG_BASE": "{dir}/log",
        "RABBITMQ_CONFIG_FILE": "{config}",
        "RABBITMQ_ENABLED_PLUGINS_FILE": "{dir}/enabled_plugins",
        "RABBITMQ_PID_FILE": "{dir}/pid",
        "RABBITMQ_DIST_PORT": "{port3}",
        "ERL_EPMD_PORT": "{port4}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP": "{dir}/erl_crash.dump",
        "HOME": "{dir}",
    }
    # Erlang's name server detaches itself; it has a port of its own here and is told to end.
    return Broker("rabbitmq", path, RABBITMQ, environment, "epmd -port {port4} -kill")


def find_sluiced(args):
    if args.sluice:
        return os.path.abspath(args.sluice)
    here = Path(args.bench).resolve().parent
    for path in (here / "sluiced", here.parent / "ops" / "sluiced"):
        if path.exists():
            return str(path)
    return shutil.which("sluiced")


def output_of(command):
    """The first line that the command says, or nothing."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return (run.stdout + run.stderr).strip().split("\n")[0]
    except (OSError, subprocess.TimeoutExpired):
        return ""


def parse_cpus(text):
    cpus = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def prepare_child(cpus):
    """In the child: its cores, a group of its own, and death when this script dies."""
    os.setsid()
    os.sched_setaffinity(0, cpus)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def group_cpu_s(group):
    """CPU time of all live processes of a group, with that of children they waited for."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            total += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return total / TICK


def group_main(group):
    """The process of a group that has used most CPU time: the broker, not the script around it."""
    best, best_ticks = group, -1
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks = int(fields[11]) + int(fields[12])
        if int(fields[2]) == group and ticks > best_ticks:
            best, best_ticks = int(path.parent.name), ticks
    return best


def cores_busy_s(cpus):
    """Time that the cores were busy since boot; with interrupts where processes pay for them."""
    total, columns = 0, (1, 2, 3, 8) if ARE_INTERRUPTS_APART else (1, 2, 3, 6, 7, 8)
    for line in Path("/proc/stat").read_text().split("\n"):
        words = line.split()
        if words and words[0][:3] == "cpu" and words[0][3:].isdigit() and int(words[0][3:]) in cpus:
            total += sum(int(words[i]) for i in columns)
    return total / TICK


def are_interrupts_apart():
    """Whether this kernel takes the time of interrupts out of that of the processes they hit."""
    try:
        for path, opener in (("/proc/config.gz", gzip.open),
                             (f"/boot/config-{platform.release()}", open)):
            if os.path.exists(path):
                with opener(path, "rt") as file:
                    return "CONFIG_IRQ_TIME_ACCOUNTING=y" in file.read()
    except OSError:
        pass
    return True


ARE_INTERRUPTS_APART = are_interrupts_apart()


def own_cpu_s():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def free_ports(num):
    sockets = [socket.socket() for _ in range(num)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def answers(port):
    """Whether an MQTT broker accepts a connection there."""
    connect = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05ready"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(connect)
            answer = s.recv(4)
            s.sendall(b"\xe0\x00")
            return answer[:1] == b"\x20" and answer[3:4] == b"\x00"
    except OSError:
        return False


class Running:
    """A started broker; to be used with `with`."""

    def __init__(self, broker, cpus, row):
        self.broker = broker
        self.config = broker.config + (broker.config_latency if row[2] in LATENCIES else "")
        self.config += broker.config_durable if is_durable(row) else ""
        self.directory = tempfile.mkdtemp(prefix="sluice-compare-")
        ports = free_ports(4)
        self.port = ports[0]
        self.names = {"port": ports[0], "port2": ports[1], "port3": ports[2], "port4": ports[3],
                      "dir": self.directory, "config": self.directory + "/broker.conf",
                      "cores": len(cpus), "cpus": ",".join(str(c) for c in sorted(cpus))}
        self.log = open(self.directory + "/log.txt", "w+b")
        self.process = None
        self.cpus = cpus

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def start(self):
        # With a name that RabbitMQ takes for its new format.
        Path(self.names["config"]).write_text(self.config.format(**self.names))
        Path(self.directory, "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        environment = dict(os.environ)
        for name, value in self.broker.environment.items():
            environment[name] = value.format(**self.names)
        self.process = subprocess.Popen(
            shlex.split(self.broker.command.format(**self.names)), env=environment,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            preexec_fn=lambda: prepare_child(self.cpus))
        until = time.monotonic() + START_S
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.broker.name} does not start: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()[-500:]

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        if self.process is not None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                pass
            self.signal(signal.SIGKILL)
            self.process.wait()
        if self.process is not None and self.broker.after:
            command = shlex.split(self.broker.after.format(**self.names))
            subprocess.run(command, capture_output=True, timeout=STOP_S, check=False)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def signal(self, number):
        """To the group that was started here; its id is the first process's."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def wait_quiet(cpus, threshold):
    """Waits, for a while, until others leave the cores alone."""
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until:
        before, at = cores_busy_s(cpus), time.monotonic()
        time.sleep(0.5)
        share = (cores_busy_s(cpus) - before) / ((time.monotonic() - at) * len(cpus))
        if share <= max(threshold, 0.04):  # two ticks in half a second are nobody
            return


def run_once(args, broker, row):
    """One run; a dictionary with the figures, or with `failure`."""
    broker_cpus, bench_cpus = parse_cpus(args.broker_cpus), parse_cpus(args.bench_cpus)
    cpus = broker_cpus | bench_cpus
    wait_quiet(cpus, args.threshold)
    with Running(broker, broker_cpus, row) as running:
        group = running.process.pid
        report = running.directory + "/report.json"
        command = [args.bench] + shlex.split(row[1]) + [
            "--port", str(running.port), "--cpus", args.bench_cpus, "--workers",
            str(len(bench_cpus)), "--duration", args.duration, "--warmup", args.warmup, "--quiet",
            "--pid", str(group_main(group)), "--json", report] + args.extra
        busy, own, at = cores_busy_s(cpus), own_cpu_s() + group_cpu_s(group), time.monotonic()
        bench = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 preexec_fn=lambda: prepare_child(bench_cpus))
        try:
            errors = bench.communicate(timeout=args.limit)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            errors = "sluice-bench did not end in time"
        finally:
            if bench.poll() is None:
                bench.kill()
                bench.wait()
        wall = time.monotonic() - at
        own = own_cpu_s() + group_cpu_s(group) - own
        foreign = max(0.0, cores_busy_s(cpus) - busy - own) / (wall * len(cpus))
        try:
            result = json.loads(Path(report).read_text())
        except (OSError, ValueError):
            return {"failure": errors.strip() or running.last_words() or "no report",
                    "foreign": foreign}
    return figures(result, foreign)


def figures(result, foreign):
    waited = result["cores_wanted_in_vain"]
    foreign = max([foreign] + waited)
    delivered = result["measured"]["fresh"] + result["measured"]["late"]
    latency, acks = result["latency_us"], result["acknowledged_us"]
    return {
        "failure": result["failure"], "ok": result["ok"], "foreign": foreign,
        "rate": result["out_msg_per_s"], "in": result["in_msg_per_s"],
        "p50": latency["p50"], "p90": latency["p90"], "p99": latency["p99"],
        "ack_p50": acks["p50"], "ack_p99": acks["p99"],
        "p99.9": latency["p99.9"], "max": latency["max"], "lost": result["lost"],
        "unsent": result.get("unsent", 0), "lateness_p99": result["lateness_us"]["p99"],
        "cpu_us": result["broker_cpu_s"] * 1e6 / delivered if delivered else 0.0,
        "bench_busy": max(result["cores_used"], default=0.0),
    }


NO_RUNS = {"good": [], "disturbed": [], "failure": ""}


def run_all(args, brokers, rows):
    """All runs, interleaved: {(row, broker): [figures]}; disturbed ones are kept apart."""
    runs = {(row[0], broker.name): {"good": [], "disturbed": [], "failure": ""}
            for row in rows for broker in brokers}
    retries = {key: args.retries for key in runs}
    for turn in range(args.repeat):
        for row in rows:
            for at in range(len(brokers)):
                broker = brokers[(at + turn) % len(brokers)]
                if not is_asked(broker, row):
                    continue
                key = (row[0], broker.name)
                while not runs[key]["failure"]:
                    figure = attempt(args, broker, row)
                    if figure["failure"]:
                        runs[key]["failure"] = figure["failure"]
                    elif figure["foreign"] <= args.threshold:
                        runs[key]["good"].append(figure)
                    else:
                        runs[key]["disturbed"].append(figure)
                        if retries[key] > 0:
                            retries[key] -= 1
                            continue
                    break
    return runs


def attempt(args, broker, row):
    print(f"  {row[0]}: {broker.name} ...", end="", file=sys.stderr, flush=True)
    try:
        figure = run_once(args, broker, row)
    except (RuntimeError, OSError) as error:
        figure = {"failure": str(error), "foreign": 0.0}
    if figure["failure"]:
        print(f" {figure['failure']}", file=sys.stderr)
        return figure
    verdict = "" if figure["foreign"] <= args.threshold else ", thrown away"
    print(f" {rate_text(figure['rate'])}/s, p50 {time_text(figure['p50'])}, "
          f"others used {100 * figure['foreign']:.1f} %{verdict}", file=sys.stderr)
    return figure


def rate_text(rate):
    return f"{rate / 1e6:.3f} M" if rate >= 1e5 else f"{rate / 1e3:.2f} k"


def time_text(us):
    return f"{us / 1e3:.2f} ms" if us >= 1000 else f"{us:.0f} us"


def median_of(cell, name):
    figures_of = cell["good"] or cell["disturbed"]
    return statistics.median(f[name] for f in figures_of) if figures_of else None


def cell_text(cell, what):
    """The median, its range, and marks: ! disturbed, x something not ok (lost, rate not kept)."""
    kept = cell["good"] or cell["disturbed"]
    if not kept:
        return "failed" if cell["failure"] else "-"
    marks = ("" if cell["good"] else "!") + ("" if all(f["ok"] for f in kept) else "x")
    if what in LATENCIES:
        text = " / ".join(time_text(median_of(cell, name)) for name in LATENCIES[what])
    else:
        rates = [f["rate"] for f in kept]
        text = rate_text(median_of(cell, "rate"))
        if len(rates) > 1:
            text += f" ({min(rates) / 1e6:.3f}-{max(rates) / 1e6:.3f})"
    return text + (" " + marks if marks else "")


def ratio_of(runs, row, first, second):
    """How much better `first` is in the row; None if it cannot be said."""
    name = LATENCIES.get(row[2], ["rate"])[0]
    one, two = (median_of(runs[(row[0], n)], name) for n in (first, second))
    if not one or not two:
        return None
    return one / two


def table_of(runs, brokers, rows):
    """Header and rows of text."""
    names = [b.name for b in brokers]
    others = [n for n in names[1:]]
    header = ["scenario"] + names + [f"{names[0]} / {n}" for n in others] + ["us CPU/msg"]
    table = []
    for row in rows:
        line = [row[0]] + [cell_text(runs[(row[0], n)], row[2]) for n in names]
        for n in others:
            ratio = ratio_of(runs, row, names[0], n)
            line.append("-" if ratio is None else f"{ratio:.2f}")
        cpu = [median_of(runs[(row[0], n)], "cpu_us") for n in names]
        line.append(" / ".join("-" if c is None else f"{c:.2f}" for c in cpu))
        table.append(line)
    return header, table


def notes_of(runs, brokers, rows):
    """What the table has no room for."""
    notes = []
    for row in rows:
        goal = ratio_of(runs, row, "sluice", "mosquitto") if row[3] and {
            "sluice", "mosquitto"} <= {b.name for b in brokers} else None
        if goal is not None:
            reached = goal <= row[3] if row[2] == "latency" else goal >= row[3]
            word = "at most" if row[2] == "latency" else "at least"
            notes.append(f"{row[0]}: {goal:.2f} of mosquitto's, to reach {word} {row[3]}: "
                         f"{'reached' if reached else 'NOT reached'}")
        notes += p99_notes_of(runs, row)
        for broker in brokers:
            cell = runs[(row[0], broker.name)]
            if cell["failure"]:
                notes.append(f"{row[0]}, {broker.name}: {cell['failure']}")
            base = runs.get((row[4], broker.name))
            if base and median_of(base, "rate") and median_of(cell, "rate"):
                share = median_of(cell, "rate") / median_of(base, "rate")
                notes.append(f"{row[0]}, {broker.name}: {100 * share:.1f} % of {row[4]}")
    return notes


def p99_notes_of(runs, row):
    """Whether a message in a hundred waits longer than it has to."""
    ours, relay = (median_of(runs.get((row[0], name), NO_RUNS), "p99")
                   for name in ("sluice", RELAY))
    if ours is None or relay is None:
        return []
    verdict = "below 1 ms" if ours < P99_US else "NOT below 1 ms"
    if ours >= P99_US and relay >= P99_US:
        verdict = "not below 1 ms, on a machine where copying alone is not either"
    return [f"{row[0]}: p99 {time_text(ours)}, of the relay {time_text(relay)}: {verdict}"]


def machine():
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().split("\n"):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def file_system_of(path):
    """Its type and device: durability costs what they cost."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().split("\n"):
        words = line.split()
        if len(words) > 2 and (os.path.realpath(path) + "/").startswith(
                words[1].rstrip("/") + "/") and len(words[1]) >= len(best[0]):
            best = (words[1], f"{words[2]} on {words[0]}")
    return best[1]


def preface(args, brokers, rows):
    lines = [f"date: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
             f"machine: {machine()}",
             f"data: in {args.data} ({file_system_of(args.data)})",
             f"cores: broker {args.broker_cpus}, sluice-bench {args.bench_cpus}; over loopback",
             f"runs: {args.repeat} of {args.duration} after {args.warmup} of warm-up, brokers in "
             f"turn; at most {args.retries} more for each cell where others used the cores for "
             f"more than {100 * args.threshold:g} % of the time",
             "figures: deliveries per second, median (range); latency p50 / p99; ratios of medians "
             "(of p50 for latencies); '!': no undisturbed run, 'x': something lost, or a rate not "
             "kept"]
    for broker in brokers:
        lines.append(f"{broker.name}: {broker.version or broker.command}")
        if any(is_durable(row) for row in rows) and broker.name in DURABILITY:
            lines[-1] += "; " + DURABILITY[broker.name]
    return lines


def markdown(args, runs, brokers, rows):
    header, table = table_of(runs, brokers, rows)
    out = ["- " + line for line in preface(args, brokers, rows)] + [""]
    out.append("| " + " | ".join(header) + " |")
    out.append("|" + " --- |" * len(header))
    out += ["| " + " | ".join(line) + " |" for line in table]
    out += [""] + ["- " + note for note in notes_of(runs, brokers, rows)]
    out += ["", "Scenarios:", ""] + [f"- {row[0]}: `sluice-bench {row[1]}`" for row in rows]
    for broker in brokers:
        out += ["", f"{broker.name}: `{broker.command}`"]
        if broker.config:
            shown = broker.config.replace("{{", "{").replace("}}", "}")
            out += ["", "```", shown.strip(), "```"]
        if broker.config_latency:
            out += ["", f"For latencies also: `{broker.config_latency.strip()}`"]
        if broker.config_durable and any(is_durable(row) for row in rows):
            out += ["", "For durable sessions also:", "", "```",
                    broker.config_durable.strip(), "```"]
    return "\n".join(out) + "\n"


def print_table(args, runs, brokers, rows):
    header, table = table_of(runs, brokers, rows)
    widths = [max(len(line[i]) for line in [header] + table) for i in range(len(header))]
    print("\n".join(preface(args, brokers, rows)) + "\n")
    for line in [header] + table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print()
    for note in notes_of(runs, brokers, rows):
        print(note)


def chosen_rows(args):
    """The rows of a set, or one for each name: a scenario file's or sluice-bench's."""
    if args.set in SETS:
        return SETS[args.set]
    rows = []
    for name in args.set.split(","):
        is_open = name.startswith("@")
        words = name.lstrip("@")
        command = words if " " in words else f"run {words}"
        rows.append((words, command, "latency" if is_open else "rate", None, None))
    return rows


def parse_args():
    parser = argparse.ArgumentParser(
        prog="sluice-bench compare", description="Sluice beside the brokers that are installed.",
        epilog="Options of sluice-bench itself may follow behind --.")
    parser.add_argument("--set", default="quick",
                        help="perf, quick, durable, or names of scenarios with commas between; an "
                        "@ before the name compares latencies (quick)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--duration", default="5s", help="measured time of a run (5s)")
    parser.add_argument("--warmup", default="1s", help="before it (1s)")
    parser.add_argument("--broker-cpus", default="0", help="cores of the broker (0)")
    parser.add_argument("--bench-cpus", default="1", help="cores of sluice-bench (1)")
    parser.add_argument("--shards", type=int, default=0, help="of Sluice (one per core)")
    parser.add_argument("--threshold", type=float, default=0.02,
                        help="share of the cores' time that others may use (0.02)")
    parser.add_argument("--retries", type=int, default=5, help="for each scenario and broker (5)")
    parser.add_argument("--limit", type=float, default=300,
                        help="seconds that a run may take (300)")
    parser.add_argument("--peers", default="", help="of those installed, only these (all)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND",
                        help="another broker: {port} is where it is to listen, {dir} an empty "
                        "directory, {cpus} its cores")
    parser.add_argument("--sluice", default=os.environ.get("SLUICED", ""), help="path of sluiced")
    parser.add_argument("--bench", default=os.environ.get("SLUICE_BENCH", "sluice-bench"),
                        help="path of sluice-bench")
    parser.add_argument("--data", default="/var/tmp", metavar="DIR",
                        help="where brokers keep what they keep, each in a new directory "
                        "(/var/tmp)")
    parser.add_argument("--json", default="", help="file to write all runs to")
    parser.add_argument("--markdown", default="", help="file to write the table to")
    own, extra = sys.argv[1:], []
    if "--" in own:
        own, extra = own[:own.index("--")], own[own.index("--") + 1:]
    args = parser.parse_args(own)
    args.extra = extra
    found = shutil.which(args.bench)
    if not found:
        parser.error(f"{args.bench} is not a program; --bench names it")
    args.bench = found
    missing = (parse_cpus(args.broker_cpus) | parse_cpus(args.bench_cpus)) - os.sched_getaffinity(0)
    if missing:
        parser.error(f"this machine has no core {min(missing)}")
    return args


def main():
    args = parse_args()
    tempfile.tempdir = args.data
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    brokers, rows = find_brokers(args), chosen_rows(args)
    brokers += find_relay(args, rows)
    runs = run_all(args, brokers, rows)
    print_table(args, runs, brokers, rows)
    if args.markdown:
        Path(args.markdown).write_text(markdown(args, runs, brokers, rows))
    if args.json:
        cells = [{"scenario": row[0], "arguments": row[1], "broker": b.name,
                  **runs[(row[0], b.name)]} for row in rows for b in brokers]
        described = [{"name": b.name, "version": b.version, "command": b.command,
                      "configuration": b.config} for b in brokers]
        Path(args.json).write_text(json.dumps(
            {"preface": preface(args, brokers, rows), "brokers": described, "runs": cells,
             "notes": notes_of(runs, brokers, rows)}, indent=1) + "\n")
    failed = [cell for (_, name), cell in runs.items() if name == "sluice" and cell["failure"]]
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
