"""Event and endpoint into the exact bytes of one attempt.

The bytes are those that `gateway.wire` describes; what does not change between two attempts at an endpoint (request
line, host, content type, agent, its own headers) is made once.
"""

from typing import NamedTuple

from dispatcher.sender import Destination
from gateway import wire
from gateway.egress import Egress
from gateway.ids import DeliveryKey
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from receivers import signing

MASKED = "***"
_SECRET_WORDS = ("authorization", "cookie", "token", "secret", "password", "key", "signature", "credential")


class Route(NamedTuple):
    """An endpoint made ready for sending."""

    endpoint: Endpoint
    destination: Destination
    head: bytes
    tail: bytes
    signer: signing.Signer
    shown_headers: dict[str, str]


class Request(NamedTuple):
    """One attempt: the pieces to send, and the signature for the record of the attempt."""

    pieces: list[bytes]
    signature: bytes


def route(endpoint: Endpoint, secret: str, egress: Egress) -> Route:
    """Make an endpoint ready. Raises EgressError or SecretError when what is registered is no longer allowed."""
    url = egress.check_url(endpoint.url, endpoint.kind)
    head = (
        f"POST {url.target} HTTP/1.1\r\nhost: {url.host_header}\r\n"
        f"content-type: {wire.CONTENT_TYPE}\r\nuser-agent: {wire.USER_AGENT}\r\nwebhook-id: "
    )
    tail = "".join(f"{name}: {value}\r\n" for name, value in endpoint.headers.items())
    shown = {name: MASKED if is_secret(name) else value for name, value in endpoint.headers.items()}
    destination = Destination(url, endpoint.kind)
    return Route(endpoint, destination, head.encode("latin-1"), tail.encode("latin-1"), signing.Signer(secret), shown)


def is_secret(header: str) -> bool:
    """Whether a header's value is a credential by its name, so that attempts show it masked."""
    name = header.lower()
    return any(word in name for word in _SECRET_WORDS)


def build(to: Route, event: Event, key: DeliveryKey, attempt: int, started_ms: int, body: bytes) -> Request:
    """The request of one attempt; `body` is `wire.body(event)`."""
    webhook_id = wire.webhook_id(event, key.run)
    seconds = started_ms // 1_000
    signature = to.signer.signature(b"%b.%d." % (webhook_id.encode(), seconds), body)
    replay = f"webhook-replay: {key.run}\r\nwebhook-original-id: {event.id}\r\n" if key.run else ""
    head = b"%b%b\r\nwebhook-timestamp: %d\r\nwebhook-signature: %b\r\nwebhook-attempt: %d\r\ntraceparent: %b\r\n" % (
        to.head,
        webhook_id.encode(),
        seconds,
        signature,
        attempt,
        wire.traceparent(event, key, attempt).encode(),
    )
    return Request([b"%b%b%bcontent-length: %d\r\n\r\n" % (head, replay.encode(), to.tail, len(body)), body], signature)
