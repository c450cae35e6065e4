"""Findings about what was set and given: settings, the store, memory, clocks."""

import dataclasses
import ipaddress
import math
import re
from collections.abc import Iterator, Sequence

from gateway.cli import console as look
from gateway.cli.doctor.facts import Facts, Subject
from gateway.cli.doctor.findings import Finding, Level, hours, megabytes, ok, span
from gateway.cli.words import count
from gateway.egress import proxies
from gateway.settings import PREFIX, Settings
from gateway.store import vitals

FILLING = 0.8
"""Share of memory from which the oldest delivered events go early; from 0.9 publishers are told 503."""
SOON_HOURS = 24.0
MEASURABLE = 0.1
"""Below this share most of it is not events, and the forecast is too rough to be acted on."""
CLOCK_MS = 5_000
"""Webhooks are signed with the dispatcher's clock, and receivers refuse what is more than 5 minutes off."""
WIDE_PREFIX = {4: 8, 6: 16}
"""Networks with a shorter prefix than this let requests into nearly everything."""
JITTER = 1.2
"""A retry comes up to 20 % later than its schedule says."""
_PASSWORD = re.compile(r"(?<=:)[^:@/]*(?=@)")
_PERSISTENCE = {
    "aof_last_write_status": ("aof_write_failed", "the store's last write to its append-only file failed"),
    "aof_last_bgrewrite_status": ("aof_rewrite_failed", "the last rewrite of the append-only file failed"),
}


def changed(settings: Settings) -> list[tuple[str, str]]:
    """The settings that differ from their defaults as they would be written, without secrets."""
    return [
        (PREFIX + field.name.upper(), shown(field.name, getattr(settings, field.name)))
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) != field.default
    ]


def shown(name: str, value: object) -> str:
    """A setting as it would be written, without its secret."""
    if name == "encryption_keys":
        return "(hidden)"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return look.safe(_PASSWORD.sub("***", str(value)))


def judge_settings(facts: Facts) -> Iterator[Finding]:
    """Every setting at risk."""
    settings = facts.settings
    found = [*_losses(settings), *_keys(facts), *_times(settings), *_network(settings), *_counts(facts)]
    differing = ", ".join(f"{name}={value}" for name, value in changed(settings))
    if not any(finding.level is Level.RISK for finding in found):
        yield ok("settings", f"differ from the defaults: {differing}" if differing else "all are the default")
    yield from found


def _risk(code: str, text: str, way_out: str, **data: object) -> Finding:
    return Finding(Level.RISK, "settings", code, text, way_out, data)


def _losses(settings: Settings) -> Iterator[Finding]:
    if settings.accept_data_loss:
        yield _risk(
            "accept_data_loss",
            "HOOKLINE_ACCEPT_DATA_LOSS is 1: processes start on a store that may lose acknowledged events",
            "make the store durable (deploy/redis.conf) and leave the setting out",
        )


def _keys(facts: Facts) -> Iterator[Finding]:
    closed = [subject for subject in facts.endpoints if subject.sealed]
    if facts.vault:
        waits = f", and the secrets of {count(len(facts.endpoints), 'endpoint')} are sealed" if facts.endpoints else ""
        yield _risk(
            "encryption_keys_missing",
            f"no key for signing secrets: {facts.vault}{waits}",
            "give this command, and every process, the HOOKLINE_ENCRYPTION_KEYS of the deployment"
            if facts.endpoints
            else "set HOOKLINE_ENCRYPTION_KEYS, see docs/operations.md",
            endpoints=len(facts.endpoints),
        )
    elif closed:
        yield _risk(
            "encryption_key_unknown",
            f"the secrets of {count(len(closed), 'endpoint')} do not open, so nothing can be signed for them: "
            f"{_why(closed)}",
            "add the key that sealed them to HOOKLINE_ENCRYPTION_KEYS, after the current one, for every process",
            endpoints=[subject.endpoint.id for subject in closed],
        )


def _why(closed: Sequence[Subject]) -> str:
    return "; ".join(dict.fromkeys(subject.sealed for subject in closed))


def _times(settings: Settings) -> Iterator[Finding]:
    longest = sum(settings.retry_schedule) * JITTER
    if longest > settings.retention:
        yield _risk(
            "schedule_outlives_retention",
            f"HOOKLINE_RETRY_SCHEDULE lasts up to {span(longest)}, longer than HOOKLINE_RETENTION "
            f"({span(settings.retention)}): what dies after that is removed at once, and no replay brings it",
            "set a longer HOOKLINE_RETENTION, or a shorter schedule",
            schedule_seconds=round(longest),
            retention_seconds=settings.retention,
        )
    if sum(settings.retry_schedule) > settings.disable_after:
        yield Finding(
            Level.NOTE,
            "settings",
            "disabled_before_exhausted",
            f"HOOKLINE_DISABLE_AFTER ({span(settings.disable_after)}) ends before the retry schedule "
            f"({span(sum(settings.retry_schedule))}): a dead receiver is disabled before its deliveries are dead",
            "set a longer HOOKLINE_DISABLE_AFTER if that is not meant",
        )


def _network(settings: Settings) -> Iterator[Finding]:
    networks = [ipaddress.ip_network(text) for text in settings.egress_allow]
    wide = [str(one) for one in networks if one.prefixlen < WIDE_PREFIX[one.version]]
    if wide:
        yield _risk(
            "egress_allow_wide",
            f"HOOKLINE_EGRESS_ALLOW has {', '.join(wide)}: endpoints of internal subscribers reach nearly everything",
            "name only the networks in which your own services are",
            networks=wide,
        )
    if settings.egress_proxy is not None and settings.egress_proxy_checks == "proxy":
        text = f"HOOKLINE_EGRESS_PROXY_CHECKS is proxy: {proxies.described(settings.egress_proxy, 'proxy')}"
        way_out = "see that its rules do, or set HOOKLINE_EGRESS_PROXY_CHECKS=ours"
        yield Finding(
            Level.NOTE, "settings", "egress_checks_proxy", text, way_out, {"proxy": str(settings.egress_proxy)}
        )
    elif settings.egress_proxy is not None:
        yield ok("settings", proxies.described(settings.egress_proxy, "ours"))
    if settings.ca_file is not None and not settings.ca_file.is_file():
        yield _risk(
            "ca_file_missing",
            f"HOOKLINE_CA_FILE is {look.safe(str(settings.ca_file))}, which is not there: no https endpoint is reached",
            "put the file there, or leave the setting out",
        )


def _counts(facts: Facts) -> Iterator[Finding]:
    settings, fixed = facts.settings, facts.store.partitions
    if fixed is not None and fixed != settings.partition_count:
        yield _risk(
            "partition_count",
            f"HOOKLINE_PARTITIONS is {settings.partition_count} here, and the store was made with {fixed}: processes "
            "with this setting do not start",
            f"set HOOKLINE_PARTITIONS={fixed}",
            here=settings.partition_count,
            store=fixed,
        )
    alive = sum(one.alive for one in facts.dispatchers)
    if fixed is not None and alive > fixed:
        yield Finding(
            Level.NOTE,
            "settings",
            "idle_dispatchers",
            f"{alive} dispatchers share {fixed} partitions: {alive - fixed} of them have nothing to do",
            f"run at most {fixed}",
        )


def judge_store(facts: Facts) -> Iterator[Finding]:
    """Whether it keeps what it acknowledged."""
    risks = facts.store.risks
    for risk in risks:
        text, _, way_out = risk.text.partition("; ")
        way_out = way_out or "have it set so, or accept the risk with HOOKLINE_ACCEPT_DATA_LOSS=1"
        yield Finding(Level.RISK, "store", risk.code, text, way_out)
    failed = [(name, status) for name, status in facts.store.persistence.items() if status != "ok"]
    for name, status in failed:
        code, text = _PERSISTENCE[name]
        way_out = "look at its disk (full, read-only?) and at its log"
        yield Finding(Level.RISK, "store", code, f"{text}: {status}", way_out)
    if not risks and not failed:
        yield ok("store", "durable: each write is on disk before its answer")


def judge_memory(facts: Facts) -> Iterator[Finding]:
    """How full it is, and until when it lasts."""
    memory = facts.vitals.memory
    left = vitals.hours_until_full(facts.vitals)
    data = {
        "used": memory.used,
        "limit": memory.limit,
        "share": round(memory.share, 4),
        "hours_until_full": None if math.isinf(left) else round(left, 2),
    }
    if not memory.limit:
        yield ok("memory", f"{megabytes(memory.used)} used, no limit is known", **data)
        return
    text = f"{megabytes(memory.used)} of {megabytes(memory.limit)} ({memory.share:.0%})"
    text += (
        f", full {hours(left)} at the present rate" if not math.isinf(left) else ", nothing comes that would fill it"
    )
    if memory.share < FILLING and (left >= SOON_HOURS or memory.share < MEASURABLE):
        yield ok("memory", text, **data)
        return
    effects = [
        "publishers get 503" if memory.share >= vitals.FULL_SHARE else "",
        "the oldest delivered events go early" if memory.share >= FILLING else "",
    ]
    code = "memory_full" if memory.share >= FILLING else "memory_full_soon"
    effect = " and ".join(filter(None, effects))
    yield Finding(
        Level.RISK,
        "memory",
        code,
        f"{text}: {effect}" if effect else text,
        "give the store more memory (maxmemory), or shorten HOOKLINE_RETENTION",
        data,
    )


def judge_clocks(facts: Facts) -> Iterator[Finding]:
    """Differences to the store's clock: ours, and those of the dispatchers that live."""
    ahead = {"this machine": facts.ahead_ms}
    for one in facts.dispatchers:
        if one.alive and one.after.ahead_ms is not None:
            ahead[f"dispatcher {one.name}"] = one.after.ahead_ms
    off = {name: ms for name, ms in ahead.items() if abs(ms) > CLOCK_MS}
    for name, ms in off.items():
        way = "ahead of" if ms > 0 else "behind"
        yield Finding(
            Level.RISK,
            "clocks",
            "clock_differs",
            f"the clock of {look.safe(name)} is {span(abs(ms) / 1_000)} {way} the store's: webhooks are signed with "
            "the dispatcher's time, and receivers refuse what is 5 minutes off",
            "let NTP set the clocks of all machines",
            {"of": name, "ahead_ms": ms},
        )
    if not off:
        largest = max(abs(ms) for ms in ahead.values())
        near = f"{largest} ms" if largest < 1_000 else span(largest / 1_000)
        yield ok("clocks", f"within {near} of the store's", largest_difference_ms=largest)
