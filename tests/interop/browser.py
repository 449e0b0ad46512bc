"""mqtt.js in a real browser: a page from a local server, in a Chromium without a window.

The server answers with the page, its script, mqtt.js's bundle for browsers, and two requests of the
page's: POST /restart restarts the broker, POST /result is the end. Chromium believes the broker's
test certificate by its key (--ignore-certificate-errors-spki-list), nothing else, and has a folder
of its own, which goes when it ends. The page is http://127.0.0.1:port; http://localhost:port is the
same server and, to browser and broker, another origin.
"""

import base64
import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.parse

import certificates
from broker import Broker
from run import HERE, Skip

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-extensions", "--no-proxy-server",
         "--host-resolver-rules=MAP localhost 127.0.0.1, EXCLUDE 127.0.0.1")
DEADLINE = 60


class Page(http.server.ThreadingHTTPServer):
    """The server; `result` is what the page said, once `done` is set."""

    daemon_threads = True

    def __init__(self, bundle, broker):
        super().__init__(("127.0.0.1", 0), Answer)
        self.broker, self.result, self.done = broker, None, threading.Event()
        self.files = {"/browser.html": (os.path.join(HERE, "browser.html"), "text/html"),
                      "/browser.js": (os.path.join(HERE, "browser.js"), "text/javascript"),
                      "/mqtt.js": (bundle, "text/javascript")}


class Answer(http.server.BaseHTTPRequestHandler):
    def reply(self, code, kind, body):
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        found = self.server.files.get(urllib.parse.urlsplit(self.path).path)
        if found is None:
            self.reply(404, "text/plain", b"")
            return
        with open(found[0], "rb") as text:
            self.reply(200, found[1], text.read())

    def do_POST(self):
        said = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        code, body = 200, b""
        if self.path == "/restart":
            try:
                self.server.broker.restart()
            except AssertionError as error:
                code, body = 500, str(error).encode()
        self.reply(code, "text/plain", body)
        if self.path == "/result":
            self.server.result = said
            self.server.done.set()

    def log_message(self, *_):
        pass


def key_mark(certificate):
    """What --ignore-certificate-errors-spki-list calls the key of a certificate."""
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"],
                            check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public,
                         check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def find():
    for name in PROGRAMS:
        if shutil.which(name):
            return name
    raise Skip("chromium is not installed")


def look(program, page, url, certificate):
    """Opens the page and waits for its result; what the browser wrote, if there is none."""
    folder = tempfile.mkdtemp(prefix="browser-")
    with open(os.path.join(folder, "log"), "w+", errors="replace") as log:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}",
             f"--ignore-certificate-errors-spki-list={key_mark(certificate)}", url],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            if page.done.wait(DEADLINE):
                return None
            log.seek(0)
            return f"no result within {DEADLINE} s: {log.read()[-300:]}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def mqttjs_in_browser(tools):
    program = find()
    bundle = os.path.join(tools.node_folder(), "node_modules", "mqtt", "dist", "mqtt.min.js")
    if tools.broker.kind != "sluiced":
        raise Skip("only for sluiced")
    page = Page(bundle, None)
    origin = f"http://127.0.0.1:{page.server_port}"
    rules = {"ws": {"check_origin_enable": True, "allow_origin_absent": False,
                    "check_origins": origin}}
    broker = Broker(tools.broker.command, {
        "scheme": "ws", "listener": rules, "data": True,
        "more": [{"bind": "wss://127.0.0.1:{a}", "tls": certificates.pair("server"), **rules}],
    }, tools.broker.shards)
    page.broker = broker
    threading.Thread(target=page.serve_forever, daemon=True).start()
    try:
        values = {"ws": f"ws://127.0.0.1:{broker.port}/mqtt",
                  "wss": f"wss://127.0.0.1:{broker.ports['a']}/mqtt",
                  "elsewhere": f"http://localhost:{page.server_port}", "prefix": tools.prefix()}
        wrong = look(program, page, f"{origin}/browser.html?{urllib.parse.urlencode(values)}",
                     certificates.path("server.pem"))
    finally:
        page.shutdown()
        page.server_close()
        ended = broker.stop()
    if wrong or page.result != "ok" or ended:
        raise AssertionError(wrong or ended or page.result)
