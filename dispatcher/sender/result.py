"""What an attempt came to: an answer of the receiver, or one of a closed set of failures."""

from typing import Literal, TypeAlias

import msgspec

AttemptError: TypeAlias = Literal[
    "dns",
    "address_blocked",
    "connect_refused",
    "connect_timeout",
    "reset",
    "tls",
    "deadline",
    "head_too_large",
    "protocol",
]
"""All that can go wrong below HTTP; `http_status` is the caller's judgement of an `Answered`."""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The receiver's final response, whatever its status.

    `headers` are as received, in order and case; `body` is its kept part as on the wire, never decoded;
    `body_truncated` tells that there was more. `remote_address` is the IP address that answered,
    `duration_ms` the time from `send` to here.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    body_truncated: bool
    remote_address: str
    duration_ms: float

    def values(self, name: bytes) -> list[bytes]:
        """The values of every header of this name (lower case), in order."""
        return [value for header, value in self.headers if header.lower() == name]


class Failed(msgspec.Struct, frozen=True, gc=False):
    """No complete response. `detail` is one line for a person; `remote_address` is "" if there was none yet."""

    error: AttemptError
    detail: str
    remote_address: str
    duration_ms: float


Result: TypeAlias = Answered | Failed
