"""A socket with TLS that behaves like a plain one, as far as the tests use it.

Python's own keeps decrypted bytes where poll() does not see them, and forgets TLS when one
direction is shut down. This one returns all that has come from each recv(), and says close_notify
before it ends its direction.
"""

import ssl

import certificates


def context(certificate="client", authority="ca.pem", **values):
    """What a client needs; values become attributes (minimum_version, ...)."""
    made = ssl.create_default_context(cafile=certificates.path(authority))
    made.check_hostname = False
    if certificate:
        made.load_cert_chain(certificates.path(f"{certificate}.pem"),
                             certificates.path(f"{certificate}.key"))
    for key, value in values.items():
        setattr(made, key, value)
    return made


class TlsSocket:
    def __init__(self, raw, of, session=None, server_name="localhost"):
        self.raw, self.coming, self.going = raw, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = of.wrap_bio(self.coming, self.going, server_hostname=server_name,
                               session=session)
        self.unsent = b""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()
            except ssl.SSLError:
                self.flush_what_can_be()
                raise
        self.flush()

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def feed(self):
        data = self.raw.recv(262144)
        if data:
            self.coming.write(data)
        else:
            self.coming.write_eof()

    def flush(self):
        self.unsent += self.going.read()
        while self.unsent:
            self.unsent = self.unsent[self.raw.send(self.unsent):]

    def flush_what_can_be(self):
        try:
            self.flush()
        except OSError:
            pass

    def send(self, data):
        if self.unsent:
            self.flush()
        done = self.tls.write(data[:16384])
        try:
            self.flush()
        except BlockingIOError:
            pass
        return done

    def sendall(self, data):
        while data:
            data = data[self.send(data):]

    def recv(self, length):
        """All that has come; b"" at the end, whichever way it came."""
        got = bytearray()
        while True:
            try:
                part = self.tls.read(262144)
                if not part:
                    return bytes(got)
                got += part
            except ssl.SSLWantReadError:
                if got:
                    return bytes(got)
                self.feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return bytes(got)
            except ssl.SSLError as error:
                raise ConnectionResetError(str(error)) from error

    def shutdown(self, how):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self.flush_what_can_be()
        self.raw.shutdown(how)
