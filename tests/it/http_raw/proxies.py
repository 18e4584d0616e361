# SPDX-License-Identifier: Apache-2.0
"""HAProxy and nginx with the configurations in deploy/proxy, in front of a probe.

Only ports, the certificate, log files and the number of workers differ from what is shipped: with
one worker all requests share one pool of connections to the daemon.
"""
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

SHIPPED = pathlib.Path(__file__).resolve().parents[3] / "deploy" / "proxy"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def make_certificate(directory, name="server", kind="ec"):
    """A self-signed certificate: (certificate, key) as paths."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    new = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"],
           "weak": ["rsa:1024"], "odd": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"]}
    subprocess.run(["openssl", "req", "-x509", "-newkey", *new[kind], "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o600)
    return certificate, key


def anyone():
    """A TLS context of a client that believes every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def replaced(text, changes):
    for old, new in changes.items():
        assert text.count(old) >= 1, f"the shipped configuration has no {old!r}"
        text = text.replace(old, new)
    return text


class Proxy:
    def __init__(self, name, daemon_port):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed; tests/run installs it")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="wardian-proxy-", dir="/var/tmp"))
        self.directory.chmod(0o755)
        self.port, self.plain_port = free_port(), free_port()
        certificate, key = make_certificate(self.directory)
        both = self.directory / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        self.process = subprocess.Popen(
            getattr(self, name)(daemon_port, certificate, key, both), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.directory / "errors", "wb"))
        self.wait()

    def haproxy(self, daemon_port, certificate, key, both):
        path = self.directory / "haproxy.cfg"
        path.write_text(replaced((SHIPPED / "haproxy.cfg").read_text(), {
            "\nglobal\n": "\nglobal\n\tnbthread 1\n",
            "bind :80 ": f"bind 127.0.0.1:{self.plain_port} ",
            "bind :443 ": f"bind 127.0.0.1:{self.port} ",
            "/etc/haproxy/wardian.pem alpn": f"{both} alpn",
            "server wardian 127.0.0.1:8080": f"server wardian 127.0.0.1:{daemon_port}",
        }))
        return ["haproxy", "-db", "-f", str(path)]

    def nginx(self, daemon_port, certificate, key, both):
        path = self.directory / "nginx.conf"
        path.write_text(replaced((SHIPPED / "nginx.conf").read_text(), {
            "worker_processes auto;": f"worker_processes 1;\npid {self.directory}/pid;",
            "/var/log/nginx/": f"{self.directory}/",
            "listen 80 ": f"listen 127.0.0.1:{self.plain_port} ",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "/etc/nginx/wardian.pem": str(certificate),
            "/etc/nginx/wardian.key": str(key),
            "server 127.0.0.1:8080;": f"server 127.0.0.1:{daemon_port};",
        }))
        return ["nginx", "-e", str(self.directory / "errors"), "-g", "daemon off;", "-c", str(path)]

    def wait(self):
        """Until a request gets through."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.directory / "errors").read_text()
            try:
                with self.connect() as s:
                    s.sendall(b"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                    if s.recv(100).startswith(b"HTTP/1.1 200"):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError((self.directory / "errors").read_text())

    def connect(self, timeout=5.0, source="127.0.0.1"):
        s = socket.create_connection(("127.0.0.1", self.port), timeout, (source, 0))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return anyone().wrap_socket(s)

    def finish(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            shutil.rmtree(self.directory)
