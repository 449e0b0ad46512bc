#!/usr/bin/python3
"""Runs the wire tests: black-box tests of an MQTT broker over TCP.

    run.py --sluiced build/ops/sluiced --shards 1,2,4
    run.py --mosquitto /usr/sbin/mosquitto --filter retain

For every number of shards and every set of options that tests need, one broker process is started
and all tests of that set run against it, --jobs at a time. After each test a bystander (a client
that has nothing to do with it) publishes to itself: what one client does must not disturb another.
After each module the broker must be alive and have reported nothing on stderr; at the end SIGTERM
must end it with exit code 0. One line per failure; the last line is `N passed, N failed`.

Most tests wait more than they work, so much runs side by side: each number of shards in a process
of its own, in each of them --brokers brokers. Tests that measure times come when all processes are
through with these, one at a time in each (@timed), and last those beside which nothing else may run
(@alone). --times says what took longest.
"""

import argparse
import concurrent.futures
import functools
import importlib
import multiprocessing
import os
import queue
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from broker import Broker, Unsupported  # noqa: E402
from harness import Context, Skip, tests_of  # noqa: E402
from mqtt_wire import Client, Failure  # noqa: E402


def modules():
    names = sorted(name[:-3] for name in os.listdir(HERE)
                   if name.startswith("test_") and name.endswith(".py"))
    return [importlib.import_module(name) for name in names]


def parse_arguments():
    parser = argparse.ArgumentParser(description="black-box tests of an MQTT broker")
    parser.add_argument("--sluiced", metavar="PATH", help="the broker to test")
    parser.add_argument("--mosquitto", metavar="PATH", help="test a mosquitto instead")
    parser.add_argument("--shards", default="1", help="numbers of shards, such as 1,2,4")
    parser.add_argument("--transport", choices=("tcp", "ws", "tls", "wss"), default="tcp",
                        help="what tests that do not say otherwise run over (default tcp)")
    parser.add_argument("--filter", default="", metavar="REGEX",
                        help="only tests whose module.name matches")
    parser.add_argument("--jobs", type=int, default=8, help="tests at a time (default 8)")
    parser.add_argument("--brokers", type=int, default=3,
                        help="brokers at a time for each number of shards (default 3)")
    parser.add_argument("--list", action="store_true", help="print the tests and stop")
    parser.add_argument("--seed", type=int, help="for random choices (default: by the clock)")
    parser.add_argument("--quiet-ms", type=int, default=60,
                        help="how long to wait for what must not come (default 60)")
    parser.add_argument("--timeout", type=float, default=15.0,
                        help="seconds to wait for what must come (default 15)")
    parser.add_argument("--lenient", action="store_true",
                        help="a connection may end without DISCONNECT or CONNACK to tell why")
    parser.add_argument("--fast", action="store_true", help="leave out tests marked slow")
    parser.add_argument("--long", action="store_true", help="tests of amounts take the large ones")
    parser.add_argument("--times", type=int, default=0, metavar="N",
                        help="print the N tests that took longest")
    parser.add_argument("--repeat", type=int, default=1, help="run everything so many times")
    parser.add_argument("-v", "--verbose", action="store_true", help="one line per test, too")
    return parser.parse_args()


class Runner:
    def __init__(self, arguments):
        self.arguments = arguments
        self.kind = "mosquitto" if arguments.mosquitto else "sluiced"
        self.command = [arguments.mosquitto or arguments.sluiced]
        self.seed = arguments.seed
        self.passed, self.failed, self.skipped, self.times = 0, [], {}, []
        self.lock, self.local, self.bystanders = threading.Lock(), threading.local(), {}

    def report(self, name, shards, error=None, seconds=0.0):
        with self.lock:
            if error is None:
                self.passed += 1
                self.times.append((seconds, name, shards))
                if self.arguments.verbose:
                    say(f"ok   shards={shards} {name} {seconds * 1000:.0f} ms")
                return
            self.failed.append(name)
            say(f"FAIL shards={shards} {name}: {error}")

    def bystander(self, broker):
        """The bystander of this thread; connected anew when the last test ruined it."""
        client = getattr(self.local, "bystander", None)
        if client is None or self.local.broker is not broker:
            client = Client(broker.host, broker.port, 5, timeout=self.arguments.timeout,
                            wrap=broker.wrap)
            name = f"bystander{threading.get_ident() % 100000}x{random.randrange(1 << 30)}"
            client.connect(name, keepalive=0)
            self.local.topic = f"bystander/{name}"
            client.subscribe(self.local.topic)
            self.local.bystander, self.local.broker, self.local.count = client, broker, 0
            with self.lock:
                self.bystanders.setdefault(broker, []).append(client)
        return client

    def check_bystander(self, broker):
        client = self.bystander(broker)
        try:
            self.local.count += 1
            text = str(self.local.count)
            client.publish(self.local.topic, text)
            client.expect(3, topic=self.local.topic, payload=text)
        except (Failure, OSError) as error:
            client.abandon()
            self.local.bystander = None
            raise Failure(f"a bystander was disturbed: {error}") from None

    def run_test(self, test, broker):
        started = time.monotonic()
        context = Context(test, broker, self.seed, self.arguments)
        watched = (test.private or {}).get("bystander") is not False
        try:
            if test.only and test.only != self.kind:
                raise Skip(f"only for {test.only}")
            if watched:
                self.bystander(broker)
            test.function(context, *test.arguments)
            context.close()
            if watched:
                self.check_bystander(broker)
        except Skip as why:
            with self.lock:
                self.skipped[test.name] = str(why)
            return
        except (Exception, AssertionError) as error:
            self.report(test.name, broker.shards, f"{explain(error)} [{where(error)}]")
            return
        finally:
            context.close()
        self.report(test.name, broker.shards, None, time.monotonic() - started)

    def batches(self, tests):
        """(name, tests, how many at a time): first the slow ones of all modules, which mostly
        wait, then module by module."""
        slow = [test for test in tests if test.slow]
        if slow:
            yield "slow tests", slow, self.arguments.jobs * 3
        by_module = {}
        for test in tests:
            if not test.slow:
                by_module.setdefault(test.module.__name__, []).append(test)
        for name, members in by_module.items():
            yield name, members, self.arguments.jobs

    def run_shared(self, tests, shards):
        """Tests with equal options against one process; it is looked after between batches."""
        broker = self.start(tests, tests[0].options, shards)
        for name, members, jobs in self.batches(tests) if broker else ():
            with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
                list(pool.map(lambda test: self.run_test(test, broker), members))
            wrong = broker.trouble()
            if wrong:
                self.report(f"{name} (broker)", shards, wrong)
            if not broker.alive():
                broker.stop()
                broker = self.start(tests, tests[0].options, shards)
                if broker is None:
                    return
        if broker:
            self.finish(broker, tests[0].options)

    def start(self, tests, chosen, shards, prlimit=None):
        try:
            return Broker(self.command, chosen, shards, self.kind, prlimit)
        except Unsupported as key:
            for test in tests:
                self.skipped[test.name] = f"no equivalent of the option {key}"
        except RuntimeError as error:
            for test in tests:
                self.report(test.name, shards, str(error).replace("\n", " | "))
        return None

    def finish(self, broker, chosen):
        with self.lock:
            mine = self.bystanders.pop(broker, [])
        for client in mine:
            client.abandon()
        wrong = broker.stop()
        if wrong:
            self.report(f"broker with options {chosen or '(none)'}", broker.shards, wrong)

    def run_private(self, test, shards):
        prlimit = test.private.get("prlimit")
        broker = self.start([test], test.options, shards, prlimit)
        if broker is None:
            return
        self.run_test(test, broker)
        if broker.alive():
            self.finish(broker, test.name)
        elif test.private.get("ends"):
            broker.stop()
        else:
            self.report(test.name + " (broker)", shards, broker.stop() or "the broker ended")

    def jobs(self, tests, shards):
        """Functions, one for each broker that the tests need; first those that take long."""
        groups, private = {}, []
        for test in tests:
            if test.private is None:
                groups.setdefault(repr(sorted(test.options.items(), key=str)), []).append(test)
            else:
                private.append(test)
        private.sort(key=lambda test: not test.slow)
        shared = sorted(groups.values(), key=len, reverse=True)
        return [functools.partial(self.run_shared, members, shards) for members in shared] + \
            [functools.partial(self.run_private, test, shards) for test in private]

    def run(self, tests, shards, side):
        """`side` is what the processes for all numbers of shards share."""
        def jobs(turn):
            return self.jobs([test for test in tests if test.turn == turn], shards)
        with concurrent.futures.ThreadPoolExecutor(self.arguments.brokers) as pool:
            list(pool.map(lambda job: job(), jobs("busy")))
        side.barrier.wait()
        for job in jobs("timed"):
            job()
        side.barrier.wait()
        for job in jobs("alone"):
            with side.lock:
                job()
        side.barrier.wait()


def say(line):
    """One line, in one piece among those of other processes."""
    sys.stdout.flush()
    os.write(sys.stdout.fileno(), (line + "\n").encode())


def explain(error):
    text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    return text.replace("\n", " | ")


def where(error):
    """The line of the test file from which the failure came."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if os.path.basename(frame.filename).startswith("test_")]
    frame = (inside or frames)[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"


def chosen(arguments):
    tests = [test for module in modules() for test in tests_of(module)]
    pattern = re.compile(arguments.filter)
    return [test for test in tests
            if pattern.search(f"{test.module.__name__}.{test.name}")
            and not (arguments.fast and test.slow)]


class Side:
    """What processes side by side share."""

    def __init__(self, number):
        self.barrier, self.lock = multiprocessing.Barrier(number), multiprocessing.Lock()
        self.results = multiprocessing.Queue()


def child(arguments, shards, side):
    """The process for one number of shards."""
    Client.lenient = arguments.lenient
    Broker.transport = arguments.transport
    runner, tests = Runner(arguments), chosen(arguments)
    try:
        for _ in range(arguments.repeat):
            runner.run(tests, shards, side)
    except BaseException:
        side.barrier.abort()
        raise
    side.results.put((runner.passed, runner.failed, runner.skipped, runner.times))


def run_all(arguments, numbers):
    """(passed, names that failed, {name: why skipped}, [(seconds, name, shards)])."""
    passed, failed, skipped, times, side = 0, [], {}, [], Side(len(numbers))
    # Everything that tests leave in files goes with this, unless something failed.
    folder = tempfile.tempdir = tempfile.mkdtemp(prefix="wire-run-")
    os.chmod(folder, 0o755)  # some brokers run as somebody else
    children = [multiprocessing.Process(target=child, args=(arguments, shards, side))
                for shards in numbers]
    for process in children:
        process.start()
    done = 0
    while done < len(children):
        try:
            more = side.results.get(timeout=1)
        except queue.Empty:
            if any(process.exitcode for process in children):
                side.barrier.abort()  # nobody comes any more
                break
            continue
        done += 1
        passed, failed, times = passed + more[0], failed + more[1], times + more[3]
        skipped.update(more[2])
    for shards, process in zip(numbers, children):
        process.join()
        if process.exitcode != 0:
            failed.append(f"the tests with {shards} shards ended with {process.exitcode}")
            print(f"FAIL {failed[-1]}", flush=True)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    return passed, failed, skipped, times


def main():
    arguments = parse_arguments()
    if arguments.list:
        for test in chosen(arguments):
            print(f"{test.module.__name__}.{test.name}")
        return 0
    if not (arguments.sluiced or arguments.mosquitto):
        sys.exit("run.py: --sluiced PATH or --mosquitto PATH is needed")
    if arguments.seed is None:
        arguments.seed = random.randrange(1 << 30)
    print(f"seed {arguments.seed}", flush=True)
    started = time.monotonic()
    passed, failed, skipped, times = run_all(arguments,
                                             [int(n) for n in arguments.shards.split(",")])
    if skipped:
        print(f"{len(skipped)} skipped: {', '.join(sorted(skipped)[:400])}")
    for seconds, name, shards in sorted(times, reverse=True)[:arguments.times]:
        print(f"{seconds:6.1f} s  shards={shards} {name}")
    print(f"{time.monotonic() - started:.1f} s", file=sys.stderr)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
