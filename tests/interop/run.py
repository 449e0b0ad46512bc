#!/usr/bin/python3
"""Interoperability: other people's clients against the broker.

    run.py --sluiced build/ops/sluiced --shards 1,2,4

mosquitto_pub and mosquitto_sub, Paho for Python, Paho for C (synchronous and asynchronous, built
here with cc) and mqtt.js (installed with npm into a cache folder, or skipped with a word when npm
cannot reach its registry), in node and in a Chromium without a window. A client that is not
installed is skipped, too. One line per failure; the last line is `N passed, N failed`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "wire"))
sys.path.insert(0, HERE)

from broker import Broker  # noqa: E402


class Skip(Exception):
    """The client cannot be run here; the text says why."""


class Tools:
    """Things that tests share: the broker's address, fresh prefixes, built programs."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="interop-")
        self.broker, self.count, self.built = None, 0, {}

    @property
    def host(self):
        return self.broker.host

    @property
    def port(self):
        return self.broker.port

    def broker_at(self, scheme):
        """A broker whose listener is of another kind, for one test, which stops it."""
        if self.broker.kind != "sluiced":
            raise Skip("only for sluiced")
        return Broker(self.broker.command, {"scheme": scheme}, self.broker.shards)

    def prefix(self):
        self.count += 1
        return f"i{os.getpid()}n{self.count}"

    def need(self, program):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
        return program

    def run(self, command, timeout=60, **values):
        """Runs to the end; the output, or an AssertionError with what it printed."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **values)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip().replace("\n", " | ")
            raise AssertionError(f"{os.path.basename(command[0])} exit code {done.returncode}: "
                                 f"{said[-300:]}")
        return done.stdout

    def build(self, source, library):
        """A C program of this folder, compiled once for all its tests."""
        if source not in self.built:
            if not os.path.exists("/usr/include/MQTTClient.h"):
                raise Skip("the Paho C library is not installed")
            target = os.path.join(self.folder, source[:-2])
            self.run([self.need("cc"), "-O1", "-Wall", "-o", target, os.path.join(HERE, source),
                      f"-l{library}", "-lpthread"])
            self.built[source] = target
        return self.built[source]

    def node_folder(self):
        """A folder with mqtt.js in it: kept between runs, by the contents of the lock file."""
        self.need("node")
        with open(os.path.join(HERE, "package-lock.json"), "rb") as lock:
            mark = re.sub("[^0-9a-z]", "", f"{hash_text(lock.read()):x}")
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = os.path.join(cache, f"sluice-interop-{mark}")
        if not os.path.exists(os.path.join(folder, "installed")):
            os.makedirs(folder, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(os.path.join(HERE, name), folder)
            try:
                self.run([self.need("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                          "--fetch-retries", "1"], cwd=folder, timeout=180)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                raise Skip(f"npm could not install mqtt.js: {error}") from None
            open(os.path.join(folder, "installed"), "w").close()
        return folder

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def hash_text(data):
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return value


def main():
    import clients  # the tests; they need Skip from here
    parser = argparse.ArgumentParser(description="other clients against the broker")
    parser.add_argument("--sluiced", metavar="PATH", help="the broker to test")
    parser.add_argument("--mosquitto", metavar="PATH", help="test a mosquitto instead")
    parser.add_argument("--shards", default="1", help="numbers of shards, such as 1,2,4")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only tests that match")
    parser.add_argument("--list", action="store_true", help="print the tests and stop")
    parser.add_argument("-v", "--verbose", action="store_true", help="one line per test, too")
    arguments = parser.parse_args()
    tests = [(name, function) for name, function in clients.tests()
             if re.search(arguments.filter, name)]
    if arguments.list:
        print("\n".join(name for name, _ in tests))
        return 0
    if not (arguments.sluiced or arguments.mosquitto):
        sys.exit("run.py: --sluiced PATH or --mosquitto PATH is needed")
    passed, failed, tools = 0, 0, Tools()
    for shards in map(int, arguments.shards.split(",")):
        # mosquitto's own default, 20, is too small for the batches of these clients
        tools.broker = Broker([arguments.sluiced or arguments.mosquitto],
                              {} if arguments.sluiced else {"max_inflight": 1000}, shards,
                              "sluiced" if arguments.sluiced else "mosquitto")
        for name, function in tests:
            started = time.monotonic()
            try:
                function(tools)
                wrong = tools.broker.trouble()
            except Skip as why:
                print(f"skip {name}: {why}")
                continue
            except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                wrong = tools.broker.trouble() or f"{type(error).__name__}: {error}"
            passed, failed = passed + (not wrong), failed + bool(wrong)
            if wrong:
                print(f"FAIL shards={shards} {name}: {wrong}", flush=True)
            elif arguments.verbose:
                print(f"ok   shards={shards} {name} {time.monotonic() - started:.1f} s", flush=True)
        wrong = tools.broker.stop()
        if wrong:
            failed += 1
            print(f"FAIL shards={shards} broker: {wrong}")
    tools.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
