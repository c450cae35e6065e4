"""Events: what a publisher sent, how it is packed into two fields of the log, and what goes over the wire."""

import hashlib
import struct

import msgspec

from gateway import ids

DIGEST_BYTES = 16
_LENGTH = struct.Struct(">I")
_ABSENT = _LENGTH.pack(0)
_header_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(tuple[str, ...])
_HEADER_FIELDS = 9


class EventUnreadable(ValueError):
    """A log entry is not an event: garbage, missing fields, or bytes that changed after acceptance."""

    code = "poison"


class NewEvent(msgspec.Struct, frozen=True):
    """An event before it has an address. An absent text attribute is ''; `data` is the payload as received."""

    source: str
    type: str
    data: bytes
    id: str = ""
    subject: str = ""
    partitionkey: str = ""
    subscriber: str = ""
    time: str = ""
    traceparent: str = ""
    endpoint: str = ""

    @property
    def ordering_key(self) -> str:
        """`partitionkey`, else `subject`, else ''."""
        return self.partitionkey or self.subject

    def digest(self) -> bytes:
        """First 16 bytes of SHA-256 over the length-prefixed identity (DESIGN 3.2) and the data bytes."""
        texts = (self.source, self.type, self.subject, self.partitionkey, self.subscriber, self.time)
        return identity_digest(texts, self.data)

    def header(self) -> bytes:
        """The log's `h` field: digest, then a MessagePack array of nine texts, the given id first."""
        return self.digest() + _header_encoder.encode(
            (
                self.id, self.source, self.type, self.subject, self.partitionkey,
                self.subscriber, self.time, self.traceparent, self.endpoint,
            )
        )  # fmt: skip


def identity_digest(texts: tuple[str, ...], data: bytes) -> bytes:
    """What tells two events with one id apart, and what the owner checks before it signs."""
    parts = [_prefixed(text) if text else _ABSENT for text in texts]
    parts += (_LENGTH.pack(len(data)), data)
    return hashlib.sha256(b"".join(parts)).digest()[:DIGEST_BYTES]


def _prefixed(text: str) -> bytes:
    raw = text.encode()
    return _LENGTH.pack(len(raw)) + raw


class Event(msgspec.Struct, frozen=True):
    """An event in the log. `data` is b'' when only the header was read."""

    address: ids.Address
    id: str
    source: str
    type: str
    data: bytes
    subject: str = ""
    partitionkey: str = ""
    subscriber: str = ""
    time: str = ""
    traceparent: str = ""
    endpoint: str = ""
    digest: bytes = b""

    @property
    def ordering_key(self) -> str:
        """`partitionkey`, else `subject`, else ''."""
        return self.partitionkey or self.subject

    @property
    def accepted_ms(self) -> int:
        """When the store took it, milliseconds since the epoch."""
        return self.address.ms

    def is_intact(self) -> bool:
        """Whether the bytes are those that were accepted (an incremental AOF has no checksum)."""
        texts = (self.source, self.type, self.subject, self.partitionkey, self.subscriber, self.time)
        return identity_digest(texts, self.data) == self.digest


def unpack(address: ids.Address, header: bytes | None, data: bytes | None) -> Event:
    """The event of a log entry's two fields.

    Raises EventUnreadable for anything that `NewEvent.header` did not write; does not check the digest.
    """
    if header is None or data is None:
        raise EventUnreadable(f"log entry {address.stream_id} lacks a field")
    try:
        texts = _header_decoder.decode(memoryview(header)[DIGEST_BYTES:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventUnreadable(f"log entry {address.stream_id} has an unreadable header: {error}") from None
    if len(texts) != _HEADER_FIELDS or not texts[2]:
        raise EventUnreadable(f"log entry {address.stream_id} has {len(texts)} header fields, not {_HEADER_FIELDS}")
    given, source, event_type, subject, partitionkey, subscriber, time, traceparent, endpoint = texts
    return Event(
        address, given or address.event_id, source, event_type, data, subject,
        partitionkey, subscriber, time, traceparent, endpoint, bytes(header[:DIGEST_BYTES]),
    )  # fmt: skip
