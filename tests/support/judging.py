"""A receiver in threads of this process that judges every request before it answers: 200, or 401 with the reason."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Judge = Callable[[str, bytes, dict[str, str]], None]
"""Called with the endpoint's name (the path's last part), the body and the headers; raises for what it rejects."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class Judging:
    """Counts what it accepted by name and webhook id; `rejected` says of each refusal what it was."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._lock = threading.Lock()
        self.accepted: dict[str, set[str]] = {}
        self.rejected: list[str] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        """The URL to register."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def count(self) -> int:
        """How many different deliveries were accepted."""
        with self._lock:
            return sum(map(len, self.accepted.values()))

    def take(self, name: str, body: bytes, headers: dict[str, str]) -> int:
        """Judge one request; the status of its answer."""
        try:
            self._judge(name, body, headers)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a request is what the test wants to know
            with self._lock:
                self.rejected.append(f"{name} {headers.get('webhook-id')}: {error!r}")
            return 401
        with self._lock:
            self.accepted.setdefault(name, set()).add(headers["webhook-id"])
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        judging = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers["content-length"]))
                self.send_response(judging.take(self.path.rpartition("/")[2], body, headers))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Nothing: the test says what matters."""

        return Handler


def data_of(body: bytes) -> Any:
    """The payload in a standard body."""
    return json.loads(body)["data"]
