"""One connection: feeds the parser, keeps requests in order, keeps time."""

import asyncio
import math
import secrets
from collections import deque

import httptools

from gateway.api.body import WHOLE
from gateway.api.http1 import wire
from gateway.api.http1.direct import App, Direct, Head
from gateway.api.http1.exchange import Exchange
from gateway.api.http1.shared import READ_BYTES, Shared
from gateway.problems import Problem

HEAD_BYTES = 32_768
URL_BYTES = 8_192
_NEVER = math.inf
_VERSIONS = ("1.1", "1.0")
_SPACE = (b" ", b"\t")


class Connection(asyncio.BufferedProtocol):
    """Reads at most 64 KB at a time; see the package for what it answers by itself."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._client: tuple[str, int] | None = None
        self._queue: deque[Exchange | Direct | Problem] = deque()
        self._known: Head | None = None
        self._running = False
        self._reading: Exchange | None = None  # the request whose body is coming
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = False
        self._refused: Problem | None = None
        self._quiet = 0  # bytes since the last that meant something
        self._dropping = False
        self._half_closed = False
        self._deadline = shared.loop.time() + shared.times.new
        self._unread_since = _NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        self._transport = transport  # type: ignore[assignment]  # a stream server makes no others
        peer = transport.get_extra_info("peername")
        self._client = (peer[0], peer[1]) if isinstance(peer, tuple) else None
        self._shared.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Gone: whoever still works on a request of it learns that."""
        self._shared.connections.discard(self)
        for item in self._queue:
            if isinstance(item, Exchange):
                item.disconnect()

    def get_buffer(self, _size_hint: int) -> memoryview:
        """The buffer of all connections."""
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        if self._dropping:
            return
        fresh = not (self._queue or self._in_head or self._reading is not None)
        if fresh and self._known is not None and self._begin_known(self._known, bytes(self._shared.buffer[:nbytes])):
            return
        self._quiet += nbytes
        try:
            self._parser.feed_data(self._shared.buffer[:nbytes])
        except httptools.HttpParserUpgrade:
            self._dropping = True  # what follows is not HTTP/1.1; it is answered as an ordinary request
            if self._reading is None and self._queue and isinstance(self._queue[-1], Exchange):
                self._queue[-1].keep_alive = False
        except httptools.HttpParserError as error:
            self._refuse(Problem("malformed_request", str(error)))
        else:
            self._check_parsed(nbytes)
        self._pump(nbytes if fresh else 0)

    def eof_received(self) -> bool:
        """The client sends no more; True keeps the way back open for answers that are due."""
        self._half_closed = True
        if self._reading is not None:
            self._reading.disconnect()
        return bool(self._queue)

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._unread_since = self._shared.loop.time()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._unread_since = _NEVER

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = []
        self._in_head = True
        self._deadline = self._shared.loop.time() + self._shared.times.head

    def on_url(self, part: bytes) -> None:
        """Some of the request target."""
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; trailers come here too and are dropped."""
        if self._in_head:
            self._headers.append((name.lower(), value.rstrip() if value[-1:] in _SPACE else value))

    def on_headers_complete(self) -> None:
        """The head is whole: the request takes its place in the order."""
        self._in_head = False
        self._deadline = _NEVER
        self._quiet = 0
        version = self._parser.get_http_version()
        target = wire.target_of(self._url)
        if target is None or version not in _VERSIONS:
            self._refused = Problem("malformed_request", f"HTTP/{version}, or a target that is not one")
            return
        method = self._parser.get_method().decode("latin-1")
        scope = wire.scope_of(method, target, version, self._headers, self._client)
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in self._headers)
        keep_alive = version == "1.1" and self._parser.should_keep_alive()
        self._reading = Exchange(self, scope, keep_alive=keep_alive, expects=expects)
        self._queue.append(self._reading)

    def on_body(self, part: bytes) -> None:
        """Some of the body."""
        self._quiet = 0
        if self._reading is not None:
            self._reading.body(part)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._quiet = 0
        if self._reading is not None:
            self._reading.end()
            self._reading = None

    def _check_parsed(self, nbytes: int) -> None:
        if self._refused is not None:
            self._refuse(self._refused)
        elif self._in_head:
            self._check_head(bytes(self._shared.buffer[:nbytes]))
        elif self._quiet > READ_BYTES:
            self._refuse(Problem("malformed_request", "chunk extensions or trailers without end"))
        if len(self._queue) > 1 or (self._reading is not None and self._reading.is_backed_up):
            self._transport.pause_reading()

    def _check_head(self, read: bytes) -> None:
        """Refuse a head that is too long already, or whose request line ended without a version."""
        ended = b"\n" in read.lstrip(b"\r\n")
        if ended and self._url and self._parser.get_http_version() not in _VERSIONS:
            self._refuse(Problem("malformed_request", "the request line has no HTTP version"))
        elif self._quiet > HEAD_BYTES and (len(self._url) > URL_BYTES or not ended):
            self._refuse(Problem("uri_too_long", "the request line has no end"))
        elif self._quiet > HEAD_BYTES:
            self._refuse(Problem("headers_too_large", "the headers have no end"))

    def _refuse(self, problem: Problem) -> None:
        """Answer what cannot be read, after what came before it; nothing more is read."""
        self._dropping = True
        if self._reading is not None:
            self._reading.disconnect()  # its application answers
        else:
            self._queue.append(problem)
        self._pump()

    def _pump(self, nbytes: int = 0) -> None:
        """Start what is next, if nothing runs; `nbytes` were read since nothing was due."""
        if self._running or not self._queue:
            return
        item = self._queue[0]
        if isinstance(item, Exchange):
            item.scope[WHOLE] = item.complete
            prepared = self._shared.prepare(item.scope) if item.complete and item.keep_alive else None
            if prepared is not None:
                alone = nbytes if len(self._queue) == 1 and not self._in_head else 0
                self._known = head = Head(item.scope, prepared, bytes(self._shared.buffer[:alone]))
                if self._begin(Direct(self, head, item.pending)):
                    return
            self._running = True
            self._shared.start(item)
            return
        if isinstance(item, Problem):
            self._queue.popleft()
            self._write(wire.refusal(item, f"req_{secrets.token_hex(10)}", self._shared.date))
            self._end(lingers=True)

    def _begin_known(self, head: Head, read: bytes) -> bool:
        """Begin what was read, with nothing else due, if it is a whole request with this head."""
        body = head.body_of(read)
        return body is not None and self._begin(Direct(self, head, body))

    def _begin(self, direct: Direct) -> bool:
        """Begin what is first on the direct way; False: the ordinary way."""
        if not direct.begin():
            return False
        if self._queue:
            self._queue[0] = direct
        else:
            self._queue.append(direct)
        self._running = True
        self._shared.running += 1
        return True

    def go_ordinary(self, direct: Direct, app: App | None) -> None:
        """Let an application answer what was begun on the direct way."""
        exchange = Exchange(self, direct.head.scope_of(direct.body), keep_alive=True, expects=False)
        exchange.body(direct.body)
        exchange.end()
        exchange.scope[WHOLE] = True
        self._queue[0] = exchange
        self._shared.running -= 1
        self._shared.start(exchange, app)

    def accept(self, headers: bytes, body: bytes) -> None:
        """The answer of the running request, which is on the direct way, is there."""
        closes = self._shared.draining
        self._write(wire.accepted(self._shared.date, headers, body, closes=closes))
        self._go_on(closes=closes, complete=True)
        self._shared.ended()

    def finish(self, exchange: Exchange) -> None:
        """The answer of the running request is there: send it, go on with the next."""
        closes = self._shared.draining or not exchange.keep_alive or not exchange.complete
        framed = wire.frame(exchange.status, exchange.headers, len(exchange.answer), self._shared.date, closes=closes)
        self._write(framed.head if exchange.is_head else framed.head + exchange.answer)
        self._go_on(closes=framed.closes, complete=exchange.complete)

    def _go_on(self, *, closes: bool, complete: bool) -> None:
        """The first of the queue has been answered."""
        self._queue.popleft()
        self._running = False
        if closes or (self._half_closed and not self._queue):
            self._end(lingers=not complete)
        elif self._queue:
            self._pump()
        else:
            times = self._shared.times
            self._deadline = self._shared.loop.time() + (times.head if self._in_head else times.idle)
        self.want_more()

    def invite(self) -> None:
        """Ask a client that waits for it to send its body."""
        self._write(wire.CONTINUE)

    def want_more(self) -> None:
        """Read on, if reading was paused for want of room."""
        if len(self._queue) <= 1 and not self._transport.is_closing():
            self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, *, lingers: bool) -> None:
        """Close after what was written; with `lingers`, read and drop what still comes for a while."""
        self._dropping = True
        self._queue.clear()
        self._reading = None
        if self._transport.is_closing():
            return
        if not lingers or self._half_closed:
            self._transport.close()
            return
        self._deadline = self._shared.loop.time() + self._shared.times.linger
        self._transport.write_eof()
        self._transport.resume_reading()

    def drain(self) -> None:
        """Close now if nothing is due, else with the last answer."""
        if not self._queue:
            self._end(lingers=False)

    def close(self) -> None:
        """Close once what was written has left."""
        self._transport.close()

    def abort(self) -> None:
        """Cut it off."""
        self._transport.abort()

    def tick(self, now: float) -> None:
        """Whether its time is over."""
        if now - self._unread_since > self._shared.times.unread:
            self.abort()
        elif now < self._deadline or self._running:
            return
        elif self._in_head and not self._dropping:
            self._refuse(
                Problem("request_timeout", f"the headers were not complete after {self._shared.times.head:g} seconds")
            )
        else:
            self._transport.close()
