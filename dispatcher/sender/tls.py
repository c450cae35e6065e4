"""TLS as a client of servers that anyone may have registered.

A new connection to a host resumes its last session (RFC 8446 2.2): a third of the work of a handshake less for us, more
for a receiver with long certificates. A resumed session rests on the verification that the first one had, so one is
used for a limited time only, and for the same host name only; a server that does not know it any more shakes hands in
full.
"""

import ssl
from pathlib import Path
from typing import NamedTuple, Self

from gateway.clock import Clock, SystemClock

SESSION_SECONDS = 600.0
_SESSIONS = 1_024


class _Kept(NamedTuple):
    """A session and the monotonic second until which it may be resumed."""

    session: ssl.SSLSession
    until: float


class ClientContext(ssl.SSLContext):
    """Remembers sessions by host name; the connections that an event loop makes of it resume them by themselves."""

    _kept: dict[str, _Kept]
    _clock: Clock

    @classmethod
    def make(cls, clock: Clock) -> Self:
        """One without any certificates."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._kept, context._clock = {}, clock
        return context

    def remember(self, connection: ssl.SSLObject) -> None:
        """Keep the session of a connection whose server has answered: TLS 1.3 hands it out after the handshake.

        Its age counts from the last full handshake: a resumed session does not make the verification younger.
        """
        host, session = connection.server_hostname or "", connection.session
        before = self._kept.pop(host, None)
        now = self._clock.monotonic()
        until = now + SESSION_SECONDS
        if connection.session_reused:
            until = before.until if before else now
        if session is None or until <= now:
            return
        if len(self._kept) >= _SESSIONS:
            del self._kept[next(iter(self._kept))]
        self._kept[host] = _Kept(session, until)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        kept = self._kept.get(str(server_hostname))
        if kept is not None and self._clock.monotonic() < kept.until:
            session = kept.session
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def client_context(ca_file: Path | None = None, clock: Clock | None = None) -> ClientContext:
    """Verification of chain and host name, TLS 1.2 or later, HTTP/1.1.

    `ca_file` (HOOKLINE_CA_FILE, PEM) is trusted in addition to the system's authorities: internal
    subscribers may have a private one while external ones have public ones. Raises OSError or ssl.SSLError
    if it cannot be read.
    """
    # Not create_default_context: that one writes session keys to a file which the environment names.
    context = ClientContext.make(clock or SystemClock())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def describe(error: ssl.SSLError) -> str:
    """One line for a person, without OpenSSL's file and line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    # Errors that the event loop makes itself have no reason.
    return f"TLS failed: {getattr(error, 'reason', None) or error.args[-1]}"
