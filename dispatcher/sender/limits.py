"""Bytes, seconds and counts of the sender."""

import contextlib
import resource
from dataclasses import dataclass, field

# Descriptors that the process needs for everything else: store, logs, event loop, listening sockets.
_OTHER_DESCRIPTORS = 128
_MOST_SOCKETS = 8_192
_FEWEST_SOCKETS = 64


def affordable_sockets() -> int:
    """As many sockets as the limit of open files (RLIMIT_NOFILE) leaves, from 64 to 8,192; raises it as far as it may.

    Beyond the limit the kernel's refusal would look like the receiver's.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_SOCKETS + _OTHER_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        # the usual soft limit of 1,024 is meant for programs that use select(2)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
    if soft == resource.RLIM_INFINITY:
        return _MOST_SOCKETS
    return max(_FEWEST_SOCKETS, min(_MOST_SOCKETS, soft - _OTHER_DESCRIPTORS))


@dataclass(frozen=True, slots=True)
class Limits:
    """The defaults are those of the delivery contract.

    `head_bytes` counts the whole response up to the end of its final head, interim responses included.
    `success_body_bytes` and `failure_body_bytes` are kept of a body; up to `drain_bytes` more are read and
    dropped so that the connection can be used again. `sockets` is the most that are open or being opened at
    a time, idle ones included; the last quarter is for destinations with fewer than `few_sockets`.
    `keep_alive_margin_seconds` is taken off what a server announces in `Keep-Alive: timeout=`; a connection
    idle for `peek_after_seconds` is looked at before it is used again.
    """

    connect_seconds: float = 5.0
    idle_seconds: float = 30.0
    keep_alive_margin_seconds: float = 1.0
    peek_after_seconds: float = 0.01
    tick_seconds: float = 0.05
    idle_per_destination: int = 256
    sockets: int = field(default_factory=affordable_sockets)
    few_sockets: int = 8
    head_bytes: int = 65_536
    success_body_bytes: int = 256
    failure_body_bytes: int = 4_096
    drain_bytes: int = 65_536
