#!/usr/bin/python3
"""sluice-bench as its users run it, against the broker: transports, scenario files, the page.

    run.py --sluiced build/ops/sluiced --bench build/bench/sluice-bench

What a test looks at is the report in JSON: nothing lost, nothing repeated, nothing out of order.
Figures do not matter here, and every run is short. Tests that need a program which is not
installed are skipped with a word. One line per failure; the last line is `N passed, N failed`.
"""

import argparse
import json
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
    """The test cannot be run here; the text says why."""


class Tools:
    """Things that tests share: brokers by transport, the program, a folder."""

    def __init__(self, arguments):
        self.arguments, self.brokers = arguments, {}
        self.folder = tempfile.mkdtemp(prefix="load-")

    def broker(self, scheme="tcp", **options):
        """A broker whose listener is of that kind; tests with equal options share it."""
        key = (scheme, json.dumps(options, sort_keys=True))
        if key not in self.brokers:
            self.brokers[key] = Broker([self.arguments.sluiced], {"scheme": scheme, **options},
                                       self.arguments.shards)
        return self.brokers[key]

    def bench(self, command, timeout=120, descriptors=None):
        """Runs it; the exit code and all that it printed."""
        limited = ["prlimit", f"--nofile={descriptors}"] if descriptors else []
        done = subprocess.run([*limited, self.arguments.bench, *command.split()],
                              capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def measured(self, broker, command, timeout=120):
        """The report of a run in which all is well."""
        path = os.path.join(self.folder, "run.json")
        words = command.split()
        code, said = self.bench(f"{command} --port {broker.port} --json {path} --quiet", timeout)
        assert code == 0, f"exit code {code}: {said.strip()[-400:]}"
        with open(path) as file:
            run = json.load(file)
        if words[0] == "idle":
            assert run["ok"], run["failure"]
            return run
        whole = run["whole_run"]
        wrong = {name: whole[name] for name in
                 ("duplicate", "misrouted", "protocol_errors", "rejected") if whole.get(name)}
        assert run["ok"] and run["lost"] == 0 and not wrong, f"{run['failure']} {wrong}"
        assert sum(whole.values()) > 0, "nothing happened"
        return run

    def need(self, program):
        found = shutil.which(program)
        if not found:
            raise Skip(f"{program} is not installed")
        return found

    def stop(self):
        """What is wrong with the ends of the brokers."""
        wrong = [broker.stop() for broker in self.brokers.values()]
        shutil.rmtree(self.folder, ignore_errors=True)
        return [words for words in wrong if words]


def main():
    import cases  # the tests; they need Skip from here
    parser = argparse.ArgumentParser(description="sluice-bench, end to end")
    parser.add_argument("--sluiced", metavar="PATH", required=True, help="the broker")
    parser.add_argument("--bench", metavar="PATH", required=True, help="sluice-bench")
    parser.add_argument("--shards", type=int, default=2, help="of the broker (2)")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only tests that match")
    parser.add_argument("-v", "--verbose", action="store_true", help="one line per test, too")
    arguments = parser.parse_args()
    passed, failed, tools = 0, 0, Tools(arguments)
    for name, function in cases.tests():
        if not re.search(arguments.filter, name):
            continue
        started, wrong = time.monotonic(), None
        try:
            function(tools)
        except Skip as why:
            print(f"skip {name}: {why}")
            continue
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            wrong = f"{type(error).__name__}: {error}"
        passed, failed = passed + (not wrong), failed + bool(wrong)
        if wrong:
            print(f"FAIL {name}: {wrong}", flush=True)
        elif arguments.verbose:
            print(f"ok   {name} {time.monotonic() - started:.1f} s", flush=True)
    for wrong in tools.stop():
        failed += 1
        print(f"FAIL broker: {wrong}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
