"""A wire to a server that fails, or is slow."""

import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast


class Wire(ThreadingHTTPServer):
    """Passes requests on to a server, and can be made to fail, or to be slow."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.to = port
        self.cut = False
        self.pause = 0.0
        """Seconds before each request is passed on."""
        self.seconds: list[float] = []
        """Time that each request took."""
        self.lost: list[str] = []
        """Requests to them arrive; the first answer of each does not."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    unsent: ClassVar = {"transfer-encoding", "content-length", "connection", "date", "server"}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.pass_on
        raise AttributeError(name)

    def pass_on(self) -> None:
        wire = cast(Wire, self.server)
        began = time.monotonic()
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if wire.cut:
            return
        time.sleep(wire.pause)
        connection = http.client.HTTPConnection("127.0.0.1", wire.to, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        wire.seconds.append(time.monotonic() - began)
        for path in wire.lost:
            if path in self.path:
                wire.lost.remove(path)
                return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in self.unsent:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass
