"""Identifiers: an id made here is an address, so that no map is needed to find what it names.

`evt_` + 24 hex digits: milliseconds (12), sequence (8), partition (4): the stream id in the partition's log.
`dlv_` + the event's 24 digits + endpoint number (8) + replay run (8, only when the delivery is a replay's own).
`ep_ sub_ rpl_ key_` + milliseconds (12) + randomness (12). Ids sort by time.
"""

import re
import secrets
import struct
import zlib
from typing import NamedTuple

RESERVED_PREFIXES = ("evt_", "ep_", "sub_", "dlv_", "rpl_", "key_", "op:")
OWN_ID = re.compile(r"[A-Za-z0-9_:-]{1,100}")
_EVENT = re.compile(r"evt_([0-9a-f]{12})([0-9a-f]{8})([0-9a-f]{4})")
_DELIVERY = re.compile(r"dlv_([0-9a-f]{12})([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{8})([0-9a-f]{8})?")
_KEY = struct.Struct(">HIIII")
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Address(NamedTuple):
    """Where an event lies: its stream id in the log of a partition. Sorts by time of acceptance."""

    ms: int
    seq: int
    partition: int

    @property
    def stream_id(self) -> str:
        """The id as Redis writes it."""
        return f"{self.ms}-{self.seq}"

    @property
    def event_id(self) -> str:
        """The id that the gateway gives to an event without one of its own."""
        return f"evt_{self.ms:012x}{self.seq:08x}{self.partition:04x}"


class DeliveryKey(NamedTuple):
    """One event for one endpoint; `run` is 0 except for the deliveries that a replay in mode `again` makes."""

    ms: int
    seq: int
    partition: int
    endpoint: int
    run: int = 0

    @property
    def address(self) -> Address:
        """The event's address."""
        return Address(self.ms, self.seq, self.partition)

    @property
    def minute(self) -> int:
        """The bucket of its record: minutes since the epoch of the event's acceptance."""
        return self.ms // MINUTE_MS

    @property
    def delivery_id(self) -> str:
        """The public id."""
        run = f"{self.run:08x}" if self.run else ""
        return f"dlv_{self.ms:012x}{self.seq:08x}{self.partition:04x}{self.endpoint:08x}{run}"

    def packed(self) -> bytes:
        """18 bytes that name it inside its partition and sort by time: ms (6), seq, endpoint, run (4 each)."""
        return _KEY.pack(self.ms >> 32, self.ms & 0xFFFFFFFF, self.seq, self.endpoint, self.run)


def unpack_key(packed: bytes, partition: int) -> DeliveryKey:
    """The reverse of `DeliveryKey.packed`."""
    high, low, seq, endpoint, run = _KEY.unpack(packed)
    return DeliveryKey((high << 32) | low, seq, partition, endpoint, run)


def parse_stream_id(text: bytes | str) -> tuple[int, int]:
    """(ms, seq) from `ms-seq`."""
    ms, seq = text.split("-") if isinstance(text, str) else text.split(b"-")
    return int(ms), int(seq)


def parse_event_id(text: str) -> Address | None:
    """The address inside an id that the gateway made; None for any other text."""
    match = _EVENT.fullmatch(text)
    return Address(*(int(group, 16) for group in match.groups())) if match else None


def parse_delivery_id(text: str) -> DeliveryKey | None:
    """The key inside a delivery id; None for any other text."""
    match = _DELIVERY.fullmatch(text)
    return DeliveryKey(*(int(group or "0", 16) for group in match.groups())) if match else None


def is_own_id(text: str) -> bool:
    """Whether a caller may use this id for an object of theirs."""
    return OWN_ID.fullmatch(text) is not None and not text.startswith(RESERVED_PREFIXES)


def make(prefix: str, wall_ms: int) -> str:
    """A new id such as `ep_...`; `prefix` without the underscore."""
    return f"{prefix}_{wall_ms:012x}{secrets.token_hex(6)}"


def partition_of(text: str, count: int) -> int:
    """The partition of an ordering key or of an id: crc32 modulo the partition count."""
    return zlib.crc32(text.encode()) % count
