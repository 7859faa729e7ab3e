"""Webhooks on this machine, of several kinds of behaviour."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = "/services/T000/B111/hushhush"
"""Path of the webhooks, which none may show."""


@dataclass
class Webhook:
    """Server that keeps the messages that it got."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """An answer of this status."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def late(seconds: float) -> Answer:
    """An answer that comes late."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        status(200)(request)

    return answer


def byte_by_byte(request: BaseHTTPRequestHandler) -> None:
    """An answer whose bytes come one at a time, for ever."""
    for byte in b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 10_000:
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        time.sleep(0.2)


def broken_off(request: BaseHTTPRequestHandler) -> None:
    """No answer: the connection ends."""
    request.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def webhook(answer: Answer | None = None, certificate: Path | None = None) -> Iterator[Webhook]:
    """A webhook that answers so, by default that all is well; with TLS if it has a certificate."""
    kept = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == SECRET
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.messages.append(json.loads(body))
            kept.content_types.append(self.headers["Content-Type"])
            (answer or status(200))(self)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *args: Any) -> None:
            """Clients that hang up are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    kept.url = f"{scheme}://127.0.0.1:{server.server_port}{SECRET}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()


def self_signed(directory: Path) -> Path:
    """A certificate that nobody trusts, with its key."""
    file = directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-keyout", str(file), "-out", str(directory / "c.pem")]
    subprocess.run(command, check=True, capture_output=True)
    with file.open("a") as out:
        out.write((directory / "c.pem").read_text())
    return file
