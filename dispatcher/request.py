"""Event and endpoint into the exact bytes of one attempt.

The bytes are those that `gateway.wire` describes; what does not change between two attempts at an endpoint (request
line, host, content type, agent, its own headers, the keyed state of its secrets) is made once.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from dispatcher import profiles, signatures
from dispatcher.sender import Destination
from gateway import wire
from gateway.egress import Egress
from gateway.ids import DeliveryKey
from gateway.model.delivery import Trigger
from gateway.model.endpoint import Endpoint, Format
from gateway.model.event import Event

MASKED = "***"
_SECRET_WORDS = ("authorization", "cookie", "token", "secret", "password", "key", "signature", "credential")


class Route(NamedTuple):
    """An endpoint made ready for sending.

    `template` is the head of a request with places for what changes; `plain`: an attempt in live order needs nothing
    but the template.
    """

    endpoint: Endpoint
    destination: Destination
    template: bytes
    sign: signatures.Sign
    profile: profiles.Profile | None
    plain: bool
    shown_headers: dict[str, str]


class Content(msgspec.Struct, frozen=True, gc=False):
    """An event in a format, for all its endpoints: the body, the header lines that go with it, its trace."""

    body: bytes
    lines: bytes
    trace: wire.Trace


class Request(msgspec.Struct, frozen=True):
    """One attempt: the pieces to send, and what the record of the attempt keeps (`wire.Sent`, packed)."""

    pieces: list[bytes]
    signature: bytes


def route(endpoint: Endpoint, texts: Mapping[str, str], egress: Egress) -> Route:
    """Make an endpoint ready; `texts` are those of its secrets by id.

    Raises EgressError or SecretError when what is registered is no longer allowed.
    """
    url = egress.check_url(endpoint.url, endpoint.kind)
    head = (
        f"POST {url.target} HTTP/1.1\r\nhost: {url.host_header}\r\n"
        f"content-type: {wire.CONTENT_TYPES[endpoint.format]}\r\nuser-agent: {wire.USER_AGENT}\r\nwebhook-id: "
    )
    template = b"%b%%b\r\nwebhook-timestamp: %%d\r\nwebhook-signature: %%b\r\nwebhook-attempt: %%d\r\n" % _literal(head)
    template += b"traceparent: %%b\r\n%%b%bcontent-length: %%d\r\n\r\n" % _literal(_lines(endpoint.headers.items()))
    shown = {name: MASKED if is_secret(name) else value for name, value in endpoint.headers.items()}
    profile = profiles.profile_of(endpoint, texts)
    plain = profile is None and not endpoint.ordered and endpoint.format in {"standard", "cloudevents"}
    destination = Destination(url, endpoint.kind)
    return Route(endpoint, destination, template, signatures.signing(endpoint, texts), profile, plain, shown)


def _literal(text: str) -> bytes:
    return text.encode("latin-1").replace(b"%", b"%%")


def _lines(headers: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def is_secret(header: str) -> bool:
    """Whether a header's value is a credential by its name, so that attempts show it masked."""
    name = header.lower()
    return any(word in name for word in _SECRET_WORDS)


def content(event: Event, format_: Format) -> Content:
    """The event in a format."""
    headers = wire.event_headers(event, format_)
    lines = _lines(headers).encode("latin-1") if headers else b""
    return Content(wire.body(event, format_), lines, wire.trace(event))


def build(
    to: Route, event: Event, key: DeliveryKey, attempt: int, started_ms: int, trigger: Trigger, carried: Content
) -> Request:
    """The request of one attempt; `carried` is `content` in the endpoint's format."""
    webhook_id = wire.webhook_id(event, key.run).encode()
    seconds = started_ms // 1_000
    body, more = carried.body, carried.lines
    signature = kept = to.sign(b"%b.%d." % (webhook_id, seconds), body, started_ms)
    if key.run or not to.plain or trigger in wire.ASIDE:
        sent = wire.Sent(signature, to.endpoint.format, _policy_headers(to, event, body, started_ms))
        kept = sent.packed()
        more = _lines((*wire.outside_order(event, key, trigger), *sent.headers)).encode("latin-1") + more
    elif to.endpoint.format != "standard":
        kept = wire.Sent(signature, to.endpoint.format).packed()
    traceparent = wire.traceparent(carried.trace, key, attempt).encode()
    head = to.template % (webhook_id, seconds, signature, attempt, traceparent, more, len(body))
    return Request([head, body], kept)


def _policy_headers(to: Route, event: Event, body: bytes, started_ms: int) -> tuple[tuple[str, str], ...]:
    """The headers that the endpoint's policy asks for on each attempt."""
    position = (("webhook-sequence", wire.sequence(event)),) if to.endpoint.ordered else ()
    profile = to.profile(body, started_ms // 1_000, started_ms) if to.profile else ()
    return (*position, *profile)
