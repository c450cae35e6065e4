"""Findings about what is done: dispatchers, partitions, deliveries."""

from collections.abc import Iterator

from gateway.cli import console as look
from gateway.cli.doctor.facts import Facts, Partition
from gateway.cli.doctor.findings import Finding, Level, moment, numbers, ok, span
from gateway.cli.words import count
from gateway.store import leases

LAG_SECONDS = 30.0
LATE_SECONDS = 60.0
HELD_FOR = {"held_paused": "paused", "held_breaker": "breaker", "held_order": "order"}


def judge_dispatchers(facts: Facts) -> Iterator[Finding]:
    """Who lives, and every partition without an owner."""
    if not facts.partitions:
        text = "nothing was ever started on this store"
        yield Finding(Level.RISK, "dispatchers", "never_started", text, "run `hookline up`")
        return
    alive = sorted({one.after.owner for one in facts.partitions if one.owned} | _alive(facts))
    orphans = [one.number for one in facts.partitions if not one.owned]
    data = {"alive": alive, "without_owner": orphans}
    if not alive:
        way_out = "start one: `hookline dispatcher`, or everything: `hookline up`"
        yield Finding(Level.RISK, "dispatchers", "none_alive", "none is alive, so nothing is delivered", way_out, data)
        return
    if orphans:
        yield Finding(
            Level.RISK,
            "dispatchers",
            "partitions_without_owner",
            f"{len(alive)} alive, but nobody owns partition {numbers(orphans)}: its events wait",
            f"a live dispatcher takes it within {leases.LEASE_SECONDS:g} seconds; if this stays, look at its log",
            data,
        )
    else:
        owned = "the partition is" if len(facts.partitions) == 1 else f"all {len(facts.partitions)} partitions are"
        yield ok("dispatchers", f"{len(alive)} alive, {owned} owned", **data)
    yield from _silent(facts)


def _alive(facts: Facts) -> set[str]:
    return {one.name for one in facts.dispatchers if one.alive}


def _silent(facts: Facts) -> Iterator[Finding]:
    for one in facts.dispatchers:
        if not one.alive:
            yield Finding(
                Level.NOTE,
                "dispatchers",
                "dispatcher_silent",
                f"{look.safe(one.name)} is on the list and does not beat: it was killed a moment ago, or it hangs",
                "the others strike it off and take its share; if it still runs, look at its log",
                {"dispatcher": one.name},
            )


def judge_log(facts: Facts) -> Iterator[Finding]:
    """Every partition with lag: events whose fan-out is not recorded yet."""
    unread = sum(one.now.totals["unread"] for one in facts.partitions)
    behind = [finding for one in facts.partitions if (finding := _lag(one)) is not None]
    if not behind:
        text = f"{count(unread, 'event')} in the making" if unread else "every event was handled"
        yield ok("log", text, unread=unread)
    yield from behind


def _lag(one: Partition) -> Finding | None:
    unread, lag = one.now.totals["unread"], one.now.lag_seconds
    if not (one.stands_still or lag >= LAG_SECONDS):
        return None
    text = f"partition {one.number}: {count(unread, 'event')} not recorded yet, the oldest {span(lag)} old"
    data = {"partition": one.number, "unread": unread, "lag_seconds": round(lag, 3), "owner": one.after.owner}
    if not one.owned:
        way_out = "it has no living owner, see dispatchers"
        return Finding(Level.RISK, "log", "partition_lags", text, way_out, data)
    if one.stands_still:
        way_out = f"its owner {look.safe(one.after.owner)} handles none: look at its log; kill it, another takes over"
        return Finding(Level.RISK, "log", "partition_stands_still", text, way_out, data)
    way_out = "it is being worked off; if it grows, start another dispatcher (up to one for each partition)"
    return Finding(Level.RISK, "log", "partition_lags", text, way_out, data)


def judge_deliveries(facts: Facts) -> Iterator[Finding]:
    """How many in which state, retries that are overdue, dead letters."""
    totals = facts.vitals.totals
    waiting = [f"{totals[name]:,} {name}" for name in ("pending", "scheduled", "skipped") if totals[name]]
    if totals["held"]:
        why = ", ".join(f"{text} {totals[name]:,}" for name, text in HELD_FOR.items() if totals.get(name))
        waiting.append(f"{totals['held']:,} held{f' ({why})' if why else ''}")
    text = ", ".join([f"{totals['delivered']:,} delivered", *waiting])
    yield ok("deliveries", text, **{name: totals[name] for name in ("delivered", "pending", "scheduled", "held")})
    late = [one for one in facts.partitions if one.now.late_seconds >= LATE_SECONDS]
    if late:
        longest = max(one.now.late_seconds for one in late)
        yield Finding(
            Level.RISK,
            "deliveries",
            "retries_late",
            f"retries of partition {numbers([one.number for one in late])} are up to {span(longest)} overdue",
            "look whether it has an owner, see dispatchers, and at the owner's log",
            {"partitions": [one.number for one in late], "late_seconds": round(longest, 3)},
        )
    yield from _dead(facts)


def _dead(facts: Facts) -> Iterator[Finding]:
    dead = facts.dead
    poison = sum(count for (_, reason), count in dead.reasons.items() if reason == "poison")
    if poison:
        yield Finding(
            Level.RISK,
            "dead letters",
            "poison",
            f"{poison:,} are poison: the stored bytes are not those that were accepted",
            "look at the store's disk and memory; publish these events again",
            {"poison": poison},
        )
    if dead.total:
        since = "" if dead.oldest_ms is None else f", the oldest accepted {moment(dead.oldest_ms)}"
        yield Finding(
            Level.NOTE,
            "dead letters",
            "dead_letters",
            f"{dead.total:,}{since}{_where(facts)}; each is kept for the retention time",
            'once the receiver is repaired: POST /v1/replays {"endpoint", "since", "until"} sends them again',
            {"total": dead.total, "by": [[*where, count] for where, count in dead.reasons.items()]},
        )


def _where(facts: Facts) -> str:
    by_endpoint: dict[str, int] = {}
    for (endpoint, _), letters in facts.dead.reasons.items():
        by_endpoint[endpoint] = by_endpoint.get(endpoint, 0) + letters
    most = sorted(by_endpoint.items(), key=lambda one: -one[1])
    named = ", ".join(f"{letters:,} of {look.safe(endpoint)}" for endpoint, letters in most[:3])
    rest = f" and {count(len(most) - 3, 'more endpoint')}" if len(most) > 3 else ""
    return f" ({named}{rest})" if named else ""
