"""A broker under test: one process with its options, started on a free port of the loopback.

`Broker(command, options, shards)` writes the configuration, starts the process and waits until it
accepts. `stop()` sends SIGTERM and returns what was wrong with the end: an exit code other than
0, a sanitizer's report, an assertion. Options are the keys of the section `mqtt:` of sluiced's
configuration; the keys "limits", "listeners" and other sections hold maps of their own. With
`admin=True` it has its HTTP endpoint at `admin_port`, without it has none. `listener` is a map of
keys for its first listener, `scheme` what its address begins with (tcp, ws, unix, tls, wss),
`tls` the map of that name of a listener with TLS, `more` a list of further listeners, in whose
`bind` {a}, {b} and {c} stand for ports of `ports`, {folder} for a folder of the broker's own.
`wrap(socket)`, if it is not None, is what a client speaks through to the first listener. With
`data=True` it has a data directory, which `crash()` (kill -9 and start again) leaves in place; with
a number, that is a file system of its own (tmpfs) with so many MiB for each shard. `refusal()` says
with what words a start on that directory fails.
`log_level` is that of the command line, `warning` where it is not given; None leaves it to the
configuration. `api(method, path, body)` asks the control socket of a broker with a data directory,
or with `control=True`. `reload(...)` changes options of a broker with `admin=True`,
writes the configuration again, sends SIGHUP and says what came of it.

Two kinds are known. "sluiced" takes everything. "mosquitto" serves to develop the tests: the few
options with an equivalent are translated, any other raises Unsupported and the test is skipped.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import certificates
import ports
import tls_socket
import ws_socket

SECTIONS = ("limits", "shards", "log", "shutdown", "listeners", "retained", "access",
            "authentication", "authorization", "banned", "flapping_detect",
            "overload_protection", "durability", "zones", "quotas")
COMPLAINTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
              "WARNING: ThreadSanitizer", "WARNING: MemorySanitizer", "CHECK failed",
              "Assertion ", "assertion ")

# Keys of mosquitto.conf for options of ours, with a conversion of the value.
MOSQUITTO_KEYS = {
    "max_qos": ("max_qos", str),
    "retain_available": ("retain_available", lambda v: "true" if v else "false"),
    "max_packet_size": ("max_packet_size", str),
    "max_topic_alias": ("max_topic_alias", str),
    "max_inflight": ("max_inflight_messages", str),
    "max_mqueue_len": ("max_queued_messages", str),
    "mqueue_store_qos0": ("queue_qos0_messages", lambda v: "true" if v else "false"),
    "server_keepalive": ("max_keepalive", lambda v: str(v).rstrip("s")),
}


class Unsupported(Exception):
    """This kind of broker cannot be given that option."""


def listens(port):
    """Whether somebody listens at that port, without a connection that a broker would count."""
    with open("/proc/net/tcp") as table:
        return any(f":{port:04X} 00000000:0000 0A " in line for line in table)


def yaml_value(value):
    """JSON is a subset of YAML; texts such as durations are left plain."""
    if isinstance(value, str):
        return value
    return json.dumps(value)


class Broker:
    transport = "tcp"  # of those whose options do not say it

    def __init__(self, command, options=None, shards=1, kind="sluiced", prlimit=None):
        self.command, self.options, self.shards = command, dict(options or {}), shards
        self.kind, self.host = kind, "127.0.0.1"
        self.limits = ["prlimit", *(f"--{name}={value}" for name, value in prlimit.items())] \
            if prlimit else []
        self.folder = tempfile.mkdtemp(prefix="wire-")
        self.stderr_path = os.path.join(self.folder, "stderr")
        self.process, self.admin_port, self.data = None, 0, "none"
        self.more = []  # on the command line, from the next start on
        self.taken = []  # ports, until the end
        wants_admin = self.options.pop("admin", False)
        self.control = os.path.join(self.folder, "control")
        wants_control = self.options.pop("control", False)
        data = self.options.pop("data", False)
        self.data = os.path.join(self.folder, "data") if data else "none"
        if not data and not wants_control:
            self.control = "none"
        self.is_mounted = data is not True and bool(data) and self.mount(data * shards)
        self.log_level = self.options.pop("log_level", "warning")
        self.tls = self.options.pop("tls", None)
        self.scheme = self.options.pop("scheme", "tls" if self.tls is not None else self.transport)
        if self.tls is None and self.scheme in ("tls", "wss"):
            self.tls = certificates.pair("server")
        self.wrap = self.wrapping()
        if self.scheme != "tcp" and kind != "sluiced":
            raise Unsupported("scheme")
        self.path = os.path.join(self.folder, "socket") if self.scheme == "unix" else None
        self.ports = {name: self.take_port() for name in "abc"}
        if wants_admin and kind != "sluiced":
            raise Unsupported("admin")
        for attempt in range(3):
            self.port = self.take_port()
            if wants_admin:
                self.admin_port = self.take_port()
            if self.start():
                return
        raise RuntimeError(f"the broker did not start: {self.complaint() or self.stderr()[-2000:]}")

    def take_port(self):
        self.taken.append(ports.take())
        return self.taken[-1]

    def wrapping(self):
        if self.scheme == "ws":
            return ws_socket.WsSocket
        if self.scheme not in ("tls", "wss"):
            return None
        client = tls_socket.context()
        if self.scheme == "tls":
            return lambda raw: tls_socket.TlsSocket(raw, client)
        return lambda raw: ws_socket.WsSocket(tls_socket.TlsSocket(raw, client))

    def configuration(self):
        """The text of the configuration file and the command line that goes with it."""
        path = os.path.join(self.folder, "broker.conf")
        if self.kind == "mosquitto":
            lines = ["allow_anonymous true", "persistence false", "max_queued_messages 1000",
                     "allow_duplicate_messages false", f"listener {self.port} 127.0.0.1",
                     "log_type error"]
            for key, value in self.options.items():
                if key not in MOSQUITTO_KEYS:
                    raise Unsupported(key)
                name, convert = MOSQUITTO_KEYS[key]
                lines.append(f"{name} {convert(value)}")
            arguments = ["-c", path]
        else:
            lines, mqtt = [], {}
            bind = f"{self.scheme}://{self.path or f'127.0.0.1:{self.port}'}"
            listen, first = ["--listen", bind], {"bind": bind, **self.options.get("listener", {})}
            if self.tls is not None:
                first = {"tls": self.tls, **first}
            if len(first) > 1 or {"listener", "more"} & set(self.options):
                places = {"folder": self.folder, **self.ports}
                listeners = [first] + [{**more, "bind": more["bind"].format(**places)}
                                       for more in self.options.get("more", [])]
                lines.append(f"listeners: {yaml_value(listeners)}")
                listen = []
            for key, value in self.options.items():
                if key in ("listener", "more"):
                    continue
                if key in SECTIONS:
                    lines.append(f"{key}: {yaml_value(value)}")
                else:
                    mqtt[key] = value
            if mqtt:
                lines.append("mqtt:")
                lines += [f"  {key}: {yaml_value(value)}" for key, value in mqtt.items()]
            arguments = ["--config", path, "--data", self.data, "--shards", str(self.shards),
                         "--admin", f"tcp://127.0.0.1:{self.admin_port}" if self.admin_port
                         else "none"] + listen
            lines.append(f"admin: {yaml_value({'control': self.control})}")
            if self.log_level:
                arguments += ["--log-level", self.log_level]
            arguments += self.more
        with open(path, "w") as out:
            out.write("\n".join(lines) + "\n")
        return arguments

    def mount(self, mebibytes):
        os.mkdir(self.data)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs",
                               self.data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            os.rmdir(self.data)
            raise Unsupported("data (a tmpfs cannot be mounted here)")
        return True

    def refusal(self, *more, command=None):
        """Starts a process that must not come up, with `more` on its command line. Its words."""
        port, admin = self.port, self.admin_port
        self.port, self.admin_port = self.take_port(), 0
        try:
            done = subprocess.run((command or self.command) + self.configuration() + list(more),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=20)
        finally:
            self.port, self.admin_port = port, admin
        text = done.stdout.decode(errors="replace")
        if done.returncode != 1 or any(word in text for word in COMPLAINTS):
            raise AssertionError(f"a start that must fail ended with {done.returncode}: {text}")
        return text

    def start(self):
        arguments = self.configuration()
        environment = dict(os.environ)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=0")
        with open(self.stderr_path, "ab") as err:
            self.process = subprocess.Popen(
                self.limits + self.command + arguments, stdin=subprocess.DEVNULL, stdout=err,
                stderr=err, env=environment)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.dial().close()
                self.await_others()
                if self.admin_port:
                    self.dial(self.admin_port).close()  # it comes after the listeners,
                if self.kind == "sluiced" and self.control != "none":
                    self.dial(path=self.control).close()  # and so does this one
                return True
            except OSError:
                time.sleep(0.005)
        self.kill()
        return False

    def await_others(self):
        """The other listeners come a moment after the first one."""
        binds = [more["bind"] for more in self.options.get("more", []) if more.get("enable", True)]
        wanted = [port for name, port in self.ports.items()
                  if any(f"127.0.0.1:{{{name}}}" in bind for bind in binds)]
        deadline = time.monotonic() + 5
        while not all(map(listens, wanted)) and time.monotonic() < deadline:
            time.sleep(0.005)

    def dial(self, port=None, path=None, timeout=5):
        """A plain socket to the first listener, or to another."""
        path = path or (self.path if port is None else None)
        if path is None:
            return socket.create_connection((self.host, port or self.port), timeout=timeout)
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(timeout)
        raw.connect(path)
        return raw

    def restart(self, crash=False):
        """Ends the process with SIGTERM (or SIGKILL) and starts another one. The kernel closes the
        sockets of an io_uring a moment after its process has ended."""
        if crash:
            self.kill()
        else:
            self.terminate()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
            except OSError:
                break
            time.sleep(0.005)
        if not self.start():
            raise AssertionError(f"the broker did not start again: {self.last_words()}")

    def crash(self, shards=None, stop=False, **options):
        """kill -9 (or SIGTERM), and a start on the same data directory and port."""
        if stop:
            code = self.terminate()
            if code != 0:
                raise RuntimeError(f"exit code {code} after SIGTERM: {self.last_words()}")
        self.kill()
        if self.complaint():
            raise RuntimeError(self.complaint())
        # The kernel closes the sockets of an io_uring some time after the process has ended.
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                time.sleep(0.005)
            except ConnectionRefusedError:
                break
            except OSError:
                pass
        self.options.update(options)
        self.shards = shards or self.shards
        if not self.start():
            raise RuntimeError(f"no start after a crash: {self.last_words()}")

    def rest(self, timeout=20):
        """Waits until every thread has slept for a while: what waits for nobody, such as a client's
        PUBACK or the end of a connection, has been worked on by then, and is committed."""
        deadline, quiet = time.monotonic() + timeout, 0
        while quiet < 10 and self.alive():
            quiet = quiet + 1 if self.sleeps() else 0
            if time.monotonic() > deadline:
                raise AssertionError("the broker is busy and does not come to rest")
            time.sleep(0.005)

    def sleeps(self):
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/stat") as stat:
                    if stat.read().rsplit(")", 1)[1].split()[0] != "S":
                        return False  # it runs, or it waits for the disk
            except (FileNotFoundError, ProcessLookupError):
                pass  # a worker of the kernel that has just ended
        return True

    def api(self, method, path, body=None, timeout=20):
        """(status, answer) of a request to the control socket; the path without /api/v5."""
        connection = http.client.HTTPConnection("localhost", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        deadline = time.monotonic() + 10
        while True:
            try:
                connection.sock.connect(self.control)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)  # the broker accepts clients before it has this socket
        if not isinstance(body, (bytes, type(None))):
            body = json.dumps(body).encode()
        try:
            connection.request(method, "/api/v5" + path, body)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def reloads(self):
        """(applied, refused) so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics") as answer:
            text = answer.read().decode()
        return tuple(int(text.split(f'sluice_reloads_total{{result="{result}"}} ')[1].split()[0])
                     for result in ("applied", "refused"))

    def hang_up(self, timeout=20):
        """SIGHUP; "applied" or "refused", once the broker has told its shards."""
        before, deadline = self.reloads(), time.monotonic() + timeout
        self.process.send_signal(signal.SIGHUP)
        while time.monotonic() < deadline:
            after = self.reloads()
            if after != before:
                return "applied" if after[0] > before[0] else "refused"
            time.sleep(0.005)
        raise AssertionError("SIGHUP did nothing")

    def reload(self, text=None, **options):
        """Changes options (or lets the file be `text`), writes the file anew and sends SIGHUP."""
        self.options.update(options)
        self.configuration()
        if text is not None:
            with open(os.path.join(self.folder, "broker.conf"), "w") as out:
                out.write(text)
        return self.hang_up()

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def memory_kb(self):
        """Resident memory in KiB, or None under a sanitizer, which keeps freed memory."""
        with open(f"/proc/{self.pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status if line.startswith("Vm"))
        if int(fields["VmSize"].split()[0]) > 1 << 30:
            return None
        return int(fields["VmRSS"].split()[0])

    def cpu_seconds(self):
        """Processor time used so far."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stderr(self):
        with open(self.stderr_path, errors="replace") as text:
            return text.read()

    def says(self, *words, timeout=20):
        """Waits until all of these stand in the log, which is written behind what is logged.
        Returns the log."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.stderr()
            missing = [word for word in words if word not in text]
            if not missing:
                return text
            if time.monotonic() > deadline:
                raise AssertionError(f"{missing[0]!r} is not in the log: {text[-2000:]}")
            time.sleep(0.01)

    def complaint(self):
        """The first line of a sanitizer's report or a failed assertion, else None."""
        for line in self.stderr().splitlines():
            if any(word in line for word in COMPLAINTS):
                return line.strip()[:300]
        return None

    def trouble(self):
        """What is wrong with the running process, or None."""
        if not self.alive():
            return f"the broker ended with {self.process.returncode}: {self.last_words()}"
        found = self.complaint()
        return f"the broker complains: {found}" if found else None

    def last_words(self):
        return self.complaint() or " | ".join(self.stderr().splitlines()[-3:])[:300]

    def terminate(self, timeout=20):
        """SIGTERM; the exit code, or None when it does not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        """Ends the process. Returns None or what was wrong, in words."""
        wrong = self.trouble()
        if self.alive():
            code = self.terminate()
            if code is None:
                wrong = wrong or "SIGTERM did not end the broker within 20 s"
            elif code != 0:
                wrong = wrong or f"exit code {code} after SIGTERM: {self.last_words()}"
        self.kill()
        ports.give_back(*self.taken)
        self.taken = []
        wrong = wrong or self.complaint()
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.data], check=False)
        if not wrong:
            shutil.rmtree(self.folder, ignore_errors=True)
            return None
        return f"{wrong} (stderr in {self.stderr_path})"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
