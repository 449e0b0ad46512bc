#!/usr/bin/env python3
"""What a busy log costs those who do not need it: latency at QoS 0 beside durable traffic.

    bench/busy_log.py --sluiced build/ops/sluiced --bench build/bench/sluice-bench

One shard, durability commit. 100 pairs at QoS 0 in an open loop are measured alone, beside durable
pairs at QoS 1, and beside the same pairs with clean sessions, in turn; medians of the runs. The
two generators share a core, so what the clean pairs do to the figures is not the log's. Choose
rates at which neither core is busy all the time.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import compare

SIDES = {
    "nothing": [],
    "durable": ["pairs", "--publishers", "10", "--qos", "1", "--durable"],
    "clean": ["pairs", "--publishers", "10", "--qos", "1"],
}
HEAD_START_S = 0.4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sluiced", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--rate", default="20k", help="of the pairs that are measured")
    parser.add_argument("--beside", default="50k", help="of the pairs beside them")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--data", default="/var/tmp", help="where the log lies")
    parser.add_argument("--broker-cpus", default="0")
    parser.add_argument("--bench-cpus", default="1")
    return parser.parse_args()


def measure(args, port, side, report):
    common = ["--port", str(port), "--cpus", args.bench_cpus, "--quiet"]
    beside = None
    if side:
        beside = subprocess.Popen(
            [args.bench, *side, "--rate", args.beside, "--duration", "4s", *common],
            stdout=subprocess.DEVNULL)
        time.sleep(HEAD_START_S)
    main = ["pairs", "--publishers", "100", "--rate", args.rate, "--duration", "2500ms",
            "--warmup", "300ms", "--json", report]
    done = subprocess.run([args.bench, *main, *common], stdout=subprocess.DEVNULL, check=False)
    if beside is not None and beside.wait() != 0 or done.returncode != 0:
        sys.exit("busy_log: a run has failed")
    with open(report, encoding="utf-8") as file:
        latency = json.load(file)["latency_us"]
    return latency["p50"], latency["p99"]


def main():
    args = arguments()
    directory = tempfile.mkdtemp(prefix="busy-log-", dir=args.data)
    port, = compare.free_ports(1)
    broker = subprocess.Popen(
        [args.sluiced, "--listen", f"tcp://127.0.0.1:{port}", "--admin", "none", "--shards", "1",
         "--cpus", args.broker_cpus, "--data", os.path.join(directory, "data"),
         "--log-level", "error"])
    results = {name: [] for name in SIDES}
    try:
        while not compare.answers(port):
            if broker.poll() is not None:
                sys.exit("busy_log: the broker has ended")
            time.sleep(0.05)
        for _ in range(args.repeat):
            for name, side in SIDES.items():
                report = os.path.join(directory, "report.json")
                results[name].append(measure(args, port, side, report))
    finally:
        broker.terminate()
        broker.wait()
        shutil.rmtree(directory)
    for name, runs in results.items():
        p50, p99 = (statistics.median(column) for column in zip(*runs))
        each = ", ".join(f"{run[1] / 1000:.1f}" for run in runs)
        print(f"beside {name}: p50 {p50 / 1000:.2f} ms, p99 {p99 / 1000:.1f} ms ({each})")


if __name__ == "__main__":
    main()
