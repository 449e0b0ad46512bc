#!/usr/bin/python3
"""Thousands of TLS handshakes beside running traffic.

    handshake_storm.py --sluiced build/ops/sluiced --bench build/bench/sluice-bench [--clients 5000]

Ten pairs exchange messages at QoS 1 over TCP while the load generator connects all the clients over
TLS: with an RSA and an ECDSA certificate, each with handshakes of their own and resumed, a bounded
number of them under way at a time, and once all of them at once. Every client must come in, no
message may be lost, repeated or out of order, and the broker must never have more handshakes under
way than its limit says. How long messages take is printed and not judged: `--figures` is for that,
which also measures the traffic alone before each storm; then the broker has core
`--broker-cpus` and both generators have `--bench-cpus`, where the one of the storm runs only while
the other sleeps. The last line is `N passed, N failed`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

import certificates  # noqa: E402
from broker import Broker  # noqa: E402

LIMIT = 3000  # handshakes under way in a shard
ALONE_S = 2.0
LATENCIES = ("p50", "p99", "p99.9", "max")

# Name, certificate, options of the generator, whether sessions are resumed.
STORMS = [("RSA 2048", "rsa", [], False), ("RSA 2048, resumed", "rsa", ["--tls-resume"], True),
          ("ECDSA P-256", "server", [], False),
          ("ECDSA P-256, resumed", "server", ["--tls-resume"], True),
          ("RSA 2048, all at once", "rsa", ["--connect-batch", "65535"], False)]


def metrics(broker, *names):
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.admin_port}/metrics") as answer:
        values = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines()
                      if not line.startswith("#"))
    return [float(values[name]) for name in names]


class Traffic:
    """Messages at a rate, until it is told to end."""

    def __init__(self, arguments, broker):
        self.path = os.path.join(broker.folder, "traffic.json")
        command = [arguments.bench, "pairs", "--port", str(broker.port), "--publishers", "10",
                   "--rate", str(arguments.rate), "--qos", "1", "--warmup", "300ms", "--duration",
                   "900s", "--quiet", "--json", self.path]
        self.process = subprocess.Popen(on(arguments.bench_cpus, command),
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(0.5)

    def end(self):
        """(its report, what is wrong with it)"""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=60)
        try:
            with open(self.path) as file:
                report = json.load(file)
        except (OSError, ValueError):
            return None, f"traffic: {said[-300:]}"
        whole = report["whole_run"]
        wrong = {name: whole[name] for name in ("out_of_order", "late", "duplicate", "misrouted",
                                                "given_up", "rejected") if whole[name]}
        wrong.update({name: report[name] for name in ("lost", "unsent") if report[name]})
        if report["failure"]:
            wrong["failure"] = report["failure"]
        if whole["fresh"] == 0:
            wrong["fresh"] = 0
        return report, f"traffic: {wrong}" if wrong else None


def on(cpus, command, *prefix):
    return [*prefix, *(["taskset", "-c", cpus] if cpus else []), *command]


class Watch(threading.Thread):
    """The most handshakes under way in all shards, as the metrics say."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker, self.most, self.ended = broker, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            self.most = max(self.most, metrics(self.broker, "sluice_tls_handshakes_under_way")[0])


def storm(arguments, broker, options):
    """(seconds that connecting took, CPU seconds of the broker, what went wrong)"""
    path = os.path.join(broker.folder, "storm.json")
    command = [arguments.bench, "connect", "--port", str(broker.ports["a"]), "--tls", "--clients",
               str(arguments.clients), "--hold", "1ms", "--quiet", "--pid", str(broker.pid),
               "--json", path, *options]
    # Takes what the traffic's generator leaves.
    done = subprocess.run(on(arguments.bench_cpus, command, "chrt", "--idle", "0"),
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        return 0, 0, f"not every client came in: {(done.stdout + done.stderr)[-300:]}"
    with open(path) as file:
        report = json.load(file)
    return report["measured_s"], report["broker_cpu_s"], None


def row(name, report):
    latency = report["latency_us"]
    return f"{name}: {latency['num']} messages, " + ", ".join(
        f"{key} {latency[key] / 1000:.2f}" for key in LATENCIES) + " ms"


def run(arguments, name, certificate, options, resumes):
    """One storm; a list of what is wrong."""
    command = on(arguments.broker_cpus if arguments.figures else None, [arguments.sluiced])
    broker = Broker(command, {
        "admin": True, "limits": {"tls_handshakes": LIMIT}, "more": [
            {"bind": "tls://127.0.0.1:{a}", "tls": certificates.pair(certificate)}]},
        shards=arguments.shards)
    wrong = []
    try:
        if arguments.figures:
            traffic = Traffic(arguments, broker)
            time.sleep(ALONE_S)
            report, _ = traffic.end()
            print(row(f"  alone", report))
        watch, traffic = Watch(broker), Traffic(arguments, broker)
        watch.start()
        seconds, cpu_s, failure = storm(arguments, broker, options)
        report, trouble = traffic.end()
        watch.ended.set()
        watch.join()
        wrong += [text for text in (failure, trouble) if text]
        completed, resumed, failed = metrics(
            broker, 'sluice_tls_handshakes_total{result="completed"}',
            "sluice_tls_handshakes_resumed_total", 'sluice_tls_handshakes_total{result="failed"}')
        if (completed, failed) != (arguments.clients, 0):
            wrong.append(f"{completed:.0f} handshakes were completed, {failed:.0f} failed")
        # Those that begin before the first ticket has come are whole.
        if resumed < arguments.clients - 128 if resumes else resumed > 0:
            wrong.append(f"{resumed:.0f} were resumed")
        if watch.most > LIMIT * arguments.shards:
            wrong.append(f"{watch.most:.0f} were under way at once")
        if report and seconds:
            print(row("  beside", report))
            print(f"  {arguments.clients / seconds:.0f} a second, {arguments.clients / cpu_s:.0f} "
                  f"per core and second, at most {watch.most:.0f} seen under way")
    finally:
        trouble = broker.stop()
        wrong += [trouble] if trouble else []
    return [f"{name}: {text}" for text in wrong]


def main():
    parser = argparse.ArgumentParser(description="TLS handshakes beside running traffic")
    parser.add_argument("--sluiced", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=2000, help="messages a second")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--only", default="", help="storms whose name has this")
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--broker-cpus", default="0")
    parser.add_argument("--bench-cpus", default=None)
    arguments = parser.parse_args()
    passed = failed = 0
    for name, *rest in STORMS:
        if arguments.only not in name:
            continue
        print(f"{name}:", flush=True)
        wrong = run(arguments, name, *rest)
        for text in wrong:
            print(f"FAIL {text}")
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
