"""Certificates for tests, made by the openssl command line, once per run, in a folder of their own.

    path("server.pem")   the file; all of them exist once any was asked for

    ca                   the authority of servers and clients; other-ca: one nobody trusts
    server, server2      localhost and 127.0.0.1; two.example
    rsa, ed25519         servers with such keys
    client               CN device-7, with the alternative name device.example
    expired, early       clients, whose time is over or still to come
    revoked              a client; crl.pem lists it, crl-none.pem nobody; crl-old.pem is out of
                         date, crl-mid.pem has a list of the intermediate authority, too
    for-servers          a client whose certificate is only good for servers
    stranger             a client of other-ca
    via                  a client of an intermediate authority; its file has the chain
    ocsp.der             a response for server
    psk.txt              device-9 and one other

Each name is a certificate NAME.pem with its key NAME.key.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
import threading

FOLDER, LOCK = None, threading.Lock()

CA_CONFIG = """
[ca]
default_ca = us
[us]
dir = .
database = index.txt
serial = serial
new_certs_dir = .
crlnumber = crlnumber
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
"""


def run(*arguments):
    done = subprocess.run(["openssl", *arguments], cwd=FOLDER, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def write(name, text):
    with open(os.path.join(FOLDER, name), "w") as out:
        out.write(text)


def make_key(name, kind):
    if kind == "rsa":
        run("genrsa", "-out", f"{name}.key", "2048")
    elif kind == "ed25519":
        run("genpkey", "-algorithm", "ed25519", "-out", f"{name}.key")
    else:
        run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")


def make_ca(name, subject, parent=None):
    make_key(name, "ec")
    write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
    if parent:
        run("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{parent}.pem", "-CAkey",
            f"{parent}.key", "-CAcreateserial", "-days", "30", "-extfile", "ca.ext",
            "-out", f"{name}.pem")
    else:
        run("req", "-x509", "-new", "-key", f"{name}.key", "-days", "30", "-subj", subject,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", f"{name}.pem")


def make(name, common_name, ca="ca", kind="ec", alt=None, usage=None, between=None):
    """`between`: first and last day, other than today and in a month."""
    make_key(name, kind)
    run("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={common_name}", "-out", f"{name}.csr")
    write("leaf.ext", (f"subjectAltName={alt}\n" if alt else "basicConstraints=CA:FALSE\n")
          + (f"extendedKeyUsage={usage}\n" if usage else ""))
    if between is None:
        run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
            "-CAcreateserial", "-days", "30", "-extfile", "leaf.ext", "-out", f"{name}.pem")
    else:
        run("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", f"{ca}.pem", "-keyfile",
            f"{ca}.key", "-in", f"{name}.csr", "-startdate", between[0], "-enddate", between[1],
            "-extfile", "leaf.ext", "-out", f"{name}.pem")


def make_all():
    write("ca.cnf", CA_CONFIG)
    write("index.txt", "")
    write("serial", "1000\n")
    write("crlnumber", "10\n")
    make_ca("ca", "/CN=Wire Test CA")
    make_ca("other-ca", "/CN=Other CA")
    make_ca("mid-ca", "/CN=Intermediate CA", "ca")
    make("server", "localhost", alt="DNS:localhost,IP:127.0.0.1")
    make("server2", "two.example", alt="DNS:two.example")
    make("rsa", "localhost", kind="rsa", alt="DNS:localhost,IP:127.0.0.1")
    make("ed25519", "localhost", kind="ed25519", alt="DNS:localhost,IP:127.0.0.1")
    make("client", "device-7", alt="DNS:device.example")
    make("expired", "late", between=("200101000000Z", "200201000000Z"))
    make("early", "early", between=("20900101000000Z", "20900201000000Z"))
    make("for-servers", "device-7", usage="serverAuth")
    make("revoked", "lost")
    make("stranger", "stranger", ca="other-ca")
    make("via", "via", ca="mid-ca")
    with open(os.path.join(FOLDER, "mid-ca.pem")) as mid:
        with open(os.path.join(FOLDER, "via.pem"), "a") as out:
            out.write(mid.read())
    gencrl = ("ca", "-gencrl", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key")
    run(*gencrl, "-out", "crl-none.pem")
    run("ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-revoke",
        "revoked.pem")
    run(*gencrl, "-out", "crl.pem")
    run(*gencrl, "-crl_lastupdate", "200101000000Z", "-crl_nextupdate", "200201000000Z", "-out",
        "crl-old.pem")
    run("ocsp", "-index", "index.txt", "-CA", "ca.pem", "-issuer", "ca.pem", "-rsigner", "ca.pem",
        "-rkey", "ca.key", "-cert", "server.pem", "-respout", "ocsp.der", "-ndays", "7",
        "-noverify")
    write("index.txt", "")
    run("ca", "-gencrl", "-config", "ca.cnf", "-cert", "mid-ca.pem", "-keyfile", "mid-ca.key",
        "-out", "crl-mid.pem")
    with open(os.path.join(FOLDER, "crl.pem")) as of_ca:
        with open(os.path.join(FOLDER, "crl-mid.pem"), "a") as out:
            out.write(of_ca.read())
    write("psk.txt", "# identity:key\ndevice-9:000102030405060708090a0b0c0d0e0f\n"
          "other:ffeeddccbbaa99887766554433221100\n")


def path(name):
    global FOLDER
    with LOCK:
        if FOLDER is None:
            FOLDER = tempfile.mkdtemp(prefix="certificates-")
            atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
            make_all()
    return os.path.join(FOLDER, name)


def pair(name):
    """The keys of a listener with this certificate."""
    return {"certificate": path(f"{name}.pem"), "key": path(f"{name}.key")}
