"""Deliveries and attempts: states, reasons, the packed record and what the API shows."""

import enum
import struct
import zlib

import msgspec


class State(enum.IntEnum):
    """The state of a delivery; the value is the record's first byte. settle.lua lists the same numbers."""

    PENDING = 1
    SCHEDULED = 2
    HELD = 3
    DELIVERED = 4
    DEAD = 5
    SKIPPED = 6


OPEN_STATES = frozenset({State.PENDING, State.SCHEDULED, State.HELD})


class Reason(enum.IntEnum):
    """Why a delivery is dead, skipped or held; the record's second byte."""

    NONE = 0
    EXHAUSTED = 1
    GONE = 2
    POISON = 3
    ENDPOINT_DISABLED = 4
    ENDPOINT_DELETED = 5
    HOLD_FULL = 6
    EXPIRED = 7
    OPERATOR = 8
    PAUSED = 9
    BREAKER = 10
    ORDER = 11


class Trigger(enum.IntEnum):
    """What caused an attempt."""

    FIRST = 1
    SCHEDULE = 2
    MANUAL = 3
    REPLAY = 4
    PROBE = 5


class AttemptError(enum.IntEnum):
    """How an attempt failed; the closed set of the API (NONE for a 2xx)."""

    NONE = 0
    DNS = 1
    ADDRESS_BLOCKED = 2
    CONNECT_REFUSED = 3
    CONNECT_TIMEOUT = 4
    RESET = 5
    TLS = 6
    DEADLINE = 7
    HEAD_TOO_LARGE = 8
    PROTOCOL = 9
    HTTP_STATUS = 10


_RECORD = struct.Struct(">BBHHBBQQII")


class Record(msgspec.Struct, frozen=True):
    """What is kept of a delivery beside its attempts: 32 bytes.

    `attempts` counts all attempts, `failures` those of the running schedule; `due_ms` (store time) is 0 unless the
    delivery waits for a time; `changed_ms` is the store time of the last transition; `run` is the replay that
    opened or re-opened it, else 0; `chain` is the number of the ordering key that it stands in line for, 0 once it has
    ended or stepped aside.
    """

    state: State
    reason: Reason = Reason.NONE
    attempts: int = 0
    status: int = 0
    error: AttemptError = AttemptError.NONE
    failures: int = 0
    due_ms: int = 0
    changed_ms: int = 0
    run: int = 0
    chain: int = 0

    @property
    def in_lane(self) -> bool:
        """Whether it stands in its endpoint's lane; settle.lua and place.lua have the same rule."""
        if self.state is State.PENDING:
            return self.due_ms == 0
        return self.state is State.HELD and self.reason is not Reason.ORDER

    @property
    def in_chain(self) -> bool:
        """Whether later deliveries of its ordering key wait for it; settle.lua and place.lua have the same rule."""
        return self.chain != 0 and self.state in OPEN_STATES

    def packed(self) -> bytes:
        """The bytes that settle.lua compares and swaps."""
        return _RECORD.pack(
            self.state, self.reason, self.attempts, self.status, self.error,
            self.failures, self.due_ms, self.changed_ms, self.run, self.chain,
        )  # fmt: skip


def unpack_record(packed: bytes) -> Record:
    """The reverse of `Record.packed`. Raises struct.error or ValueError for other bytes."""
    state, reason, attempts, status, error, *numbers = _RECORD.unpack(packed)
    return Record(State(state), Reason(reason), attempts, status, AttemptError(error), *numbers)


def chain_of(ordering_key: str) -> int:
    """The number of an ordering key, never 0; two keys with one number wait for each other, which does no harm."""
    return zlib.crc32(ordering_key.encode()) or 1


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One HTTP request as it is stored; what can be derived from event and endpoint is not.

    `url` as sent; `headers` are the endpoint's own (credentials masked); `signature` is the header as sent; response
    headers are one block of `name: value` lines.
    """

    trigger: int
    started_ms: int
    duration_ms: int
    error: int
    remote_address: str
    url: str
    signature: bytes
    headers: dict[str, str]
    status: int
    response_headers: bytes
    body: bytes
    body_truncated: bool
    detail: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Attempt)


def pack_attempt(attempt: Attempt) -> bytes:
    """MessagePack array."""
    return _encoder.encode(attempt)


def unpack_attempt(packed: bytes) -> Attempt:
    """The reverse of `pack_attempt`."""
    return _decoder.decode(packed)


def attempt_field(key: bytes, number: int) -> bytes:
    """The hash field of an attempt: the delivery's packed key and the attempt's number."""
    return key + number.to_bytes(2, "big")
