"""Configuration: one frozen struct, read from a mapping, checked once.

Every name begins with `HOOKLINE_`. An unknown `HOOKLINE_*` name is refused, since a misspelt setting that is silently
ignored is worse than a process that does not start. `deploy/env.example` is tested equal to this table.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.egress import proxies

PREFIX = "HOOKLINE_"
MIN_SCHEDULE_SECONDS = 1
MAX_SCHEDULE_SECONDS = 7 * 86_400
DEFAULT_SCHEDULE = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)


class SettingsError(ValueError):
    """A setting is unknown, unreadable or contradicts another; the text names it, its value and the way out."""

    code = "settings_invalid"


def parse_duration(text: str) -> int:
    """Seconds from `90`, `90s`, `15m`, `12h` or `7d`."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if match is None:
        raise ValueError("expected a duration such as 90s, 15m, 12h or 7d")
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}[match[2]]


def parse_networks(text: str) -> tuple[str, ...]:
    """CIDRs from a comma-separated list."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        ipaddress.ip_network(name)
    return names


def parse_schedule(text: str) -> tuple[int, ...]:
    """Seconds between attempts from a comma-separated list."""
    waits = tuple(int(part) for part in text.split(","))
    if not 0 < len(waits) <= 50 or not all(MIN_SCHEDULE_SECONDS <= w <= MAX_SCHEDULE_SECONDS for w in waits):
        raise ValueError(f"expected 1 to 50 waits of {MIN_SCHEDULE_SECONDS} to {MAX_SCHEDULE_SECONDS} seconds")
    return waits


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,12}", text) is None or not low <= int(text) <= high:
            raise ValueError(f"expected a whole number from {low} to {high}")
        return int(text)

    return parse


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("expected 0 or 1")
    return text == "1"


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected {' or '.join(words)}")
        return text

    return parse


def _redis_url(text: str) -> str:
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected redis://, rediss:// or unix://")
    return text


_HIDDEN = frozenset({"encryption_keys", "egress_proxy"})
_PARSERS: dict[str, Callable[[str], object]] = {
    "redis_url": _redis_url,
    "jobs_redis_url": _redis_url,
    "data": Path,
    "host": str,
    "port": _between(1, 65_535),
    "partitions": _between(1, 256),
    "dispatchers": _between(1, 64),
    "encryption_keys": str,
    "egress_allow": parse_networks,
    "egress_proxy": proxies.parse,
    "egress_proxy_checks": _one_of(*proxies.CHECKS),
    "ca_file": Path,
    "retention": parse_duration,
    "retry_schedule": parse_schedule,
    "deadline_seconds": _between(1, 300),
    "max_in_flight": _between(1, 10_000),
    "hold_limit": _between(1, 10_000_000),
    "order_limit": _between(1, 10_000_000),
    "disable_after": parse_duration,
    "success_body_bytes": _between(0, 65_536),
    "failure_body_bytes": _between(0, 65_536),
    "event_bytes": _between(1_024, 1_048_576),
    "memory_budget_bytes": _between(1_048_576, 8_589_934_592),
    "accept_data_loss": _flag,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their defaults; durations are in seconds, sizes in bytes."""

    redis_url: str | None = None
    jobs_redis_url: str | None = None
    data: Path = Path(".hookline")
    host: str = "127.0.0.1"
    port: int = 8080
    partitions: int | None = None
    dispatchers: int = 1
    encryption_keys: str | None = None
    egress_allow: tuple[str, ...] = ()
    egress_proxy: proxies.Proxy | None = None
    egress_proxy_checks: proxies.Checks = "ours"
    ca_file: Path | None = None
    retention: int = 7 * 86_400
    retry_schedule: tuple[int, ...] = DEFAULT_SCHEDULE
    deadline_seconds: int = 15
    max_in_flight: int = 64
    hold_limit: int = 100_000
    order_limit: int = 10_000
    disable_after: int = 5 * 86_400
    success_body_bytes: int = 256
    failure_body_bytes: int = 4_096
    event_bytes: int = 262_144
    memory_budget_bytes: int = 64 * 1_048_576
    accept_data_loss: bool = False

    @property
    def embedded(self) -> bool:
        """Whether the store is the one that our supervisor starts."""
        return self.redis_url is None

    @property
    def partition_count(self) -> int:
        """4 embedded, 16 otherwise, unless set; fixed at the first start."""
        return self.partitions or (4 if self.embedded else 16)


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from a mapping such as `os.environ`.

    Raises SettingsError for an unknown `HOOKLINE_*` name or a value that does not parse.
    """
    values: dict[str, object] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        field = name.removeprefix(PREFIX).lower()
        if field not in _PARSERS:
            known = ", ".join(PREFIX + key.upper() for key in _PARSERS)
            raise SettingsError(f"{name} is not a setting; known are {known}")
        if environ[name] == "":
            continue
        values[field] = _parse(name, field, environ[name])
    return Settings(**values)  # type: ignore[arg-type]  # each parser returns its field's type


def _parse(name: str, field: str, text: str) -> object:
    try:
        return _PARSERS[field](text)
    except ValueError as error:
        shown = "(hidden)" if field in _HIDDEN else repr(text)
        raise SettingsError(f"{name} is {shown}: {error}") from None
