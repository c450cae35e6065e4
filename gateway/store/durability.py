"""The durability guard: whether this store keeps what it acknowledges.

A store is asked for what makes an answer of it worth something: every write on disk before its answer, no eviction,
no lost tail on restart, a limit of memory that is refused at instead of swapped into. `require` is for the start of
every process, `check` also for `doctor` and `/readyz`, since settings can be changed while it runs.

A managed Redis may hide CONFIG. What INFO shows is then judged, and the rest is one risk of its own, `unknown`: silence
is not durability. With `--accept-data-loss` the operator takes these risks; not those that are `fatal`, because with
them nothing works at all: a replica takes no writes, and before version 7.0 our scripts do not load.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from gateway.store import errors

ACCEPT = "or start with --accept-data-loss (HOOKLINE_ACCEPT_DATA_LOSS=1)"
MIN_VERSION = (7, 0)


class Risk(NamedTuple):
    """A reason not to start: `code` is stable, `text` names the value and the way out.

    `fatal`: accepting the loss of data does not help.
    """

    code: str
    text: str
    fatal: bool = False


class Memory(NamedTuple):
    """Bytes that count against the limit, and the limit (0: none)."""

    used: int
    limit: int

    @property
    def share(self) -> float:
        """used / limit; 0 without a limit."""
        return self.used / self.limit if self.limit else 0.0


class DurabilityRefused(errors.StoreError):
    """The store may lose what it acknowledges, or cannot be used at all; `risks` are the reasons."""

    code = "durability"

    def __init__(self, risks: tuple[Risk, ...]) -> None:
        lines = "".join(f"\n  {risk.code}: {risk.text}" for risk in risks)
        help_line = "" if any(risk.fatal for risk in risks) else f"\nset these, {ACCEPT}"
        super().__init__(f"the store is not durable:{lines}{help_line}")
        self.risks = risks


class _Wanted(NamedTuple):
    setting: str
    value: str
    code: str
    why: str


_WANTED = (
    _Wanted("appendonly", "yes", "aof_off", "nothing is on disk"),
    _Wanted("appendfsync", "always", "fsync_not_always", "a power cut loses acknowledged writes"),
    _Wanted("no-appendfsync-on-rewrite", "no", "fsync_paused_on_rewrite", "no fsync while the file is rewritten"),
    _Wanted("aof-load-truncated", "yes", "truncated_aof_refused", "the store does not start after a torn write"),
    _Wanted("maxmemory-policy", "noeviction", "evicts", "the store drops keys when memory is full"),
)
_UNLIMITED = Risk(
    "no_memory_limit",
    "maxmemory is 0: the kernel kills the store when memory is full; CONFIG SET maxmemory <bytes>, half of the RAM",
)


async def check(redis: Redis) -> list[Risk]:
    """What this store risks, in the order of the rules; empty for a durable one. Raises redis.exceptions.RedisError."""
    info: Any = await redis.info()
    return judge(info, await _settings(redis))


async def require(redis: Redis, accept_data_loss: bool) -> list[Risk]:
    """Raise DurabilityRefused with every reason, unless they are accepted; the risks that were taken."""
    risks = await check(redis)
    if risks and (not accept_data_loss or any(risk.fatal for risk in risks)):
        raise DurabilityRefused(tuple(risks))
    return risks


async def memory(redis: Redis) -> Memory:
    """What of the memory limit is used; buffers that the store does not count are left out."""
    info: Any = await redis.info("memory")
    return Memory(int(info["used_memory"]) - int(info.get("mem_not_counted_for_evict", 0)), int(info["maxmemory"]))


def judge(info: Mapping[str, Any], settings: Mapping[str, str]) -> list[Risk]:
    """The risks in what INFO and CONFIG GET say; `settings` may lack any name, then INFO or `unknown` answers."""
    known = {**_from_info(info), **settings}
    risks = [*_version(info), *_role(info)]
    for wanted in _WANTED:
        if wanted.setting in known and known[wanted.setting] != wanted.value:
            now = f"{wanted.setting} is {known[wanted.setting]!r}: {wanted.why}"
            risks.append(
                Risk(wanted.code, f"{now}; CONFIG SET {wanted.setting} {wanted.value}, and in its config file")
            )
    if known.get("maxmemory") == "0":
        risks.append(_UNLIMITED)
    hidden = [wanted.setting for wanted in _WANTED if wanted.setting not in known]
    hidden += [] if "maxmemory" in known else ["maxmemory"]
    if hidden:
        text = f"the store hides {', '.join(hidden)}: ask its provider for {_values(hidden)}"
        risks.append(Risk("unknown", text))
    return risks


def _values(names: list[str]) -> str:
    wanted = {wanted.setting: wanted.value for wanted in _WANTED}
    return ", ".join(f"{name} {wanted.get(name, 'above 0')}" for name in names)


def _from_info(info: Mapping[str, Any]) -> dict[str, str]:
    known: dict[str, str] = {}
    if "aof_enabled" in info:
        known["appendonly"] = "yes" if int(info["aof_enabled"]) else "no"
    for name, field in (("maxmemory", "maxmemory"), ("maxmemory-policy", "maxmemory_policy")):
        if field in info:
            known[name] = str(info[field])
    return known


def _version(info: Mapping[str, Any]) -> list[Risk]:
    text = str(info.get("redis_version", ""))
    match = re.match(r"(\d+)\.(\d+)", text)
    if match and (int(match[1]), int(match[2])) >= MIN_VERSION:
        return []
    return [Risk("version", f"the store is version {text or 'unknown'}; 7.0 or later is needed", fatal=True)]


def _role(info: Mapping[str, Any]) -> list[Risk]:
    role = info.get("role")
    if role == "master":
        return []
    return [Risk("not_master", f"the store's role is {role}; point HOOKLINE_REDIS_URL at its master", fatal=True)]


async def _settings(redis: Redis) -> dict[str, str]:
    names = [*(wanted.setting for wanted in _WANTED), "maxmemory"]
    try:
        answer: Any = await redis.config_get(*names)
    except ResponseError:  # unknown command, or no permission: hidden
        return {}
    return {_text(name): _text(value) for name, value in answer.items()}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
