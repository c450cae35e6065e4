"""Findings about endpoints: one for each that is in trouble, saying everything about it, the worst first."""

from collections.abc import Iterator

from gateway import rfc3339
from gateway.cli import console as look
from gateway.cli.doctor.facts import Facts, Subject
from gateway.cli.doctor.findings import Finding, Level, moment, ok, span
from gateway.cli.doctor.setup import JITTER
from gateway.cli.words import count
from gateway.model.endpoint import Health
from gateway.settings import Settings

HOLDING = 0.8
"""Share of the hold limit from which a paused endpoint is a risk."""


def judge_endpoints(facts: Facts) -> Iterator[Finding]:
    """Every endpoint in trouble and since when; how many are not."""
    found = [finding for one in facts.endpoints if (finding := _judge(one, facts)) is not None]
    sound = len(facts.endpoints) - len(found)
    if sound or not found:
        text = f"{'the other ' if found else ''}{sound:,} in order" if facts.endpoints else "none is registered"
        yield ok("endpoints", text, in_order=sound)
    yield from sorted(found, key=lambda finding: (finding.level is not Level.RISK, finding.data["since"] or ""))


def _judge(one: Subject, facts: Facts) -> Finding | None:
    said = [
        part
        for part in (
            _off(one, facts),
            _failing(one, facts),
            _paused(one, facts),
            _catching_up(one),
            _breaker(one, facts),
            _filter(one),
            _secrets(one),
            _schedule(one, facts.settings),
        )
        if part is not None
    ]
    if not said:
        return None
    level = Level.RISK if any(part.level is Level.RISK for part in said) else Level.NOTE
    worst = next(part for part in said if part.level is level)
    since = min((part.data["since"] for part in said if part.data.get("since")), default=None)
    endpoint = one.endpoint
    name = f"{look.safe(endpoint.id)} of {look.safe(endpoint.subscriber)}"
    data = {
        "endpoint": endpoint.id,
        "subscriber": endpoint.subscriber,
        "codes": [part.code for part in said],
        "since": since,
        "held": one.held,
        "consecutive_failures": one.health.consecutive_failures,
    }
    text = "; ".join(part.text for part in said)
    return Finding(level, "endpoint", worst.code, f"{name} {text}", worst.way_out, data)


def _part(level: Level, code: str, text: str, way_out: str, since_ms: int | None = None) -> Finding:
    since = None if since_ms is None else rfc3339.format_ms(since_ms)
    return Finding(level, "endpoint", code, text, way_out, {"since": since})


def _since(since_ms: int | None, facts: Facts) -> str:
    if since_ms is None:
        return ""
    return f" since {moment(since_ms)} ({span(max(facts.now_ms - since_ms, 0) / 1_000)})"


def _held(deliveries: int) -> str:
    return f"{deliveries:,} {'delivery' if deliveries == 1 else 'deliveries'} held"


def _last(health: Health) -> str:
    last = health.last_failure
    return "" if last is None else f", last {last.error}{'' if last.status is None else f' {last.status}'}"


def _off(one: Subject, facts: Facts) -> Finding | None:
    endpoint = one.endpoint
    if endpoint.status != "disabled":
        return None
    reason = endpoint.disabled_reason or "operator"
    since = _since(endpoint.disabled_ms, facts)
    enable = f"POST /v1/endpoints/{look.safe(endpoint.id)}/enable"
    told = {
        "operator": ("by an operator", f"{enable} brings it back"),
        "gone": ("because its receiver answered that it is gone (410)", f"delete it, or {enable} once it is back"),
        "failing": (
            f"because it only failed{_last(one.health)}",
            f"repair its receiver; a probe enables it then by itself within the hour, {enable} does at once",
        ),
    }
    why, way_out = told[reason]
    level = Level.NOTE if reason == "operator" else Level.RISK
    return _part(level, f"disabled_{reason}", f"is disabled{since} {why}", way_out, endpoint.disabled_ms)


def _failing(one: Subject, facts: Facts) -> Finding | None:
    health, endpoint = one.health, one.endpoint
    if endpoint.status == "disabled" or health.failing_since_ms is None:
        return None
    times = f", {health.consecutive_failures:,} times in a row" if health.consecutive_failures > 1 else ""
    end = moment(health.failing_since_ms + facts.settings.disable_after * 1_000)
    text = (
        f"fails{_since(health.failing_since_ms, facts)}{times}{_last(health)}; it is disabled at {end} if that goes on"
    )
    way_out = f"look at its receiver; GET /v1/deliveries?endpoint={look.safe(endpoint.id)} shows every attempt"
    return _part(Level.RISK, "failing", text, way_out, health.failing_since_ms)


def _paused(one: Subject, facts: Facts) -> Finding | None:
    endpoint, limit = one.endpoint, facts.settings.hold_limit
    if endpoint.status != "paused":
        return None
    text = f"is paused{_since(endpoint.paused_ms, facts)}, {_held(one.held)}"
    way_out = f"POST /v1/endpoints/{look.safe(endpoint.id)}/resume lets them go"
    if one.held >= limit:
        text += ", which is the limit: new ones are skipped (hold_full)"
        way_out += "; a replay brings what was skipped"
        return _part(Level.RISK, "hold_full", text, way_out, endpoint.paused_ms)
    if one.held >= HOLDING * limit:
        text += f" of at most {limit:,}, after which new ones are skipped (hold_full)"
        return _part(Level.RISK, "hold_nearly_full", text, way_out, endpoint.paused_ms)
    return _part(Level.NOTE, "paused", text, way_out, endpoint.paused_ms)


def _catching_up(one: Subject) -> Finding | None:
    replay = look.safe(one.endpoint.catch_up)
    if not replay:
        return None
    text = f"catches up with replay {replay}, {_held(one.held)} until it is through"
    way_out = f"GET /v1/replays/{replay} shows its progress; POST /v1/replays/{replay}/cancel ends it"
    return _part(Level.NOTE, "catching_up", text, way_out)


def _breaker(one: Subject, facts: Facts) -> Finding | None:
    breaker = one.breaker
    if breaker is None or one.endpoint.status == "disabled":
        return None
    probe = "a probe is under way" if breaker.half_open else f"next probe at {moment(breaker.next_ms)}"
    held = f", {_held(one.held)}" if one.endpoint.status != "paused" and not one.endpoint.catch_up else ""
    text = f"has an open breaker{_since(breaker.opened_ms, facts)}, {probe}{held}"
    way_out = "look at its receiver; the first probe that succeeds closes the breaker and lets them go"
    return _part(Level.RISK, "breaker_open", text, way_out, breaker.opened_ms)


def _filter(one: Subject) -> Finding | None:
    errors = one.filter_errors
    if errors is None:
        return None
    text = f"has a filter that had no answer {count(errors.times, 'time')}, which counts as no match"
    text += f", last at {moment(errors.last_ms)}: {errors.last_error}"
    way_out = f"POST /v1/endpoints/{look.safe(one.endpoint.id)}/filter/test tries it on recent events"
    return _part(Level.NOTE, "filter_errors", text, way_out)


def _secrets(one: Subject) -> Finding | None:
    if not one.sealed:
        return None
    return _part(Level.RISK, "secret_sealed", "has secrets that do not open", "add their key, see settings")


def _schedule(one: Subject, settings: Settings) -> Finding | None:
    longest = sum(one.endpoint.retry_schedule or ()) * JITTER
    if longest <= settings.retention:
        return None
    text = f"has a retry schedule of up to {span(longest)}, longer than the retention ({span(settings.retention)})"
    way_out = "shorten its schedule: a delivery that dies after the retention is removed at once"
    return _part(Level.RISK, "schedule_outlives_retention", text, way_out)
