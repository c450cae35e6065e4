"""The ledger of a chaos run: what publishers were promised against what receivers saw; offline set arithmetic.

A publisher writes one line per event, `{id, sha256, t_send, t_ack}`, only after a whole 202. When it gives up without
one it writes the same line with `t_ack` null: such an event may be in the system or not, and neither is a fault.
A receiver is another process and appends `{webhook-id, endpoint, attempt, sha256, signature_ok, status, t}` before it
answers; `status` is the answer that it is about to give. `sha256` is that of the payload's bytes. A delivery to an
ordered endpoint has its ordering key and its sequence too.

Finding      meaning
lost         acknowledged, never answered 2xx by an endpoint that must get it, and neither dead nor open in the system
phantom      received, but nobody sent it
corrupt      received with other payload bytes than were sent
duplicated   received again after it was answered 2xx (allowed after crashes; counted)
forged       a signature that does not verify
unsettled    (event, endpoint) without exactly one delivery in a terminal state, once the system has drained
disagreeing  the system says `delivered`, but the endpoint never answered 2xx
disordered   first answered 2xx before an earlier event of the same ordering key, at an ordered endpoint
"""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

TERMINAL = frozenset({"delivered", "dead", "skipped"})
OPEN = frozenset({"pending", "scheduled", "held"})
_SHOWN = 10

Pair = tuple[str, str]
"""(event id, endpoint)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Published:
    """One line of a publisher; `id` is None when no answer ever named one, `t_ack` when no 202 came."""

    id: str | None
    sha256: str
    t_send: float
    t_ack: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """One line of a receiver: one request at one endpoint, and the status that answered it."""

    id: str
    endpoint: str
    attempt: int
    sha256: str
    signature_ok: bool
    status: int
    t: float
    key: str = ""
    sequence: int = 0

    @property
    def pair(self) -> Pair:
        """(event id, endpoint)."""
        return self.id, self.endpoint


@dataclasses.dataclass(frozen=True, slots=True)
class Settled:
    """What the system says of one delivery."""

    event: str
    endpoint: str
    status: str


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """The result of `audit`; `duplicated` counts requests, everything else names what it found."""

    acknowledged: int
    received: int
    lost: frozenset[Pair]
    phantom: frozenset[Pair]
    corrupt: frozenset[Pair]
    duplicated: int
    forged: frozenset[Pair]
    unsettled: frozenset[Pair]
    disagreeing: frozenset[Pair]
    disordered: frozenset[Pair]
    delivered: int
    dead: int

    @property
    def faultless(self) -> bool:
        """Whether the promise held: duplicates are allowed, nothing else is."""
        return not any(getattr(self, name) for name in _SETS)

    def report(self) -> dict[str, Any]:
        """Counts, and the first few of each kind."""
        sets = {name: value for name in _SETS if (value := getattr(self, name)) is not None}
        counts = {name: len(value) for name, value in sets.items()}
        return {
            "acknowledged": self.acknowledged,
            "received": self.received,
            "delivered": self.delivered,
            "duplicated": self.duplicated,
            "duplicated_percent": round(100 * self.duplicated / max(self.received, 1), 2),
            "dead": self.dead,
            **counts,
            "examples": {name: sorted(value)[:_SHOWN] for name, value in sets.items() if value},
        }


_SETS = ("lost", "phantom", "corrupt", "forged", "unsettled", "disagreeing", "disordered")


def audit(
    published: Iterable[Published],
    received: Iterable[Received],
    settled: Iterable[Settled] | None,
    endpoints: Collection[str],
) -> Findings:
    """Compare. `endpoints` must each get every acknowledged event; without `settled` only the wire is judged."""
    acknowledged, uncertain = _promises(published)
    requests = list(received)
    answered = Counter(request.pair for request in requests if 200 <= request.status < 300)
    states = _states(settled)
    owed = {(event, endpoint) for event in acknowledged for endpoint in endpoints}
    dead = {pair for pair in owed if states.get(pair) == ["dead"]}
    still_open = {pair for pair in owed if OPEN.intersection(states.get(pair, ()))}
    return Findings(
        acknowledged=len(acknowledged),
        received=len(requests),
        lost=frozenset(owed - answered.keys() - dead - still_open),
        phantom=frozenset(r.pair for r in requests if r.id not in acknowledged and r.id not in uncertain.ids
                          and r.sha256 not in uncertain.hashes),
        corrupt=frozenset(r.pair for r in requests if r.sha256 != acknowledged.get(r.id, r.sha256)),
        duplicated=_duplicated(requests),
        forged=frozenset(r.pair for r in requests if not r.signature_ok),
        unsettled=frozenset() if settled is None else _unsettled(owed, states),
        disagreeing=frozenset(p for p, s in states.items() if "delivered" in s and p not in answered),
        disordered=_disordered(requests),
        delivered=len(answered),
        dead=len(dead),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class _Uncertain:
    ids: frozenset[str]
    hashes: frozenset[str]


def _promises(published: Iterable[Published]) -> tuple[dict[str, str], _Uncertain]:
    acknowledged: dict[str, str] = {}
    ids, hashes = set(), set()
    for line in published:
        if line.t_ack is not None and line.id is not None:
            acknowledged[line.id] = line.sha256
        else:
            hashes.add(line.sha256)
            ids.update([line.id] if line.id else [])
    return acknowledged, _Uncertain(frozenset(ids), frozenset(hashes))


def _states(settled: Iterable[Settled] | None) -> dict[Pair, list[str]]:
    states: defaultdict[Pair, list[str]] = defaultdict(list)
    for delivery in settled or ():
        states[delivery.event, delivery.endpoint].append(delivery.status)
    return dict(states)


def _unsettled(owed: set[Pair], states: dict[Pair, list[str]]) -> frozenset[Pair]:
    def wrong(pair: Pair) -> bool:
        mine = states.get(pair, [])
        return len(mine) != 1 or mine[0] not in TERMINAL

    return frozenset(pair for pair in owed | states.keys() if wrong(pair))


def _duplicated(requests: list[Received]) -> int:
    done: set[Pair] = set()
    again = 0
    for request in sorted(requests, key=lambda r: r.t):
        again += request.pair in done
        if 200 <= request.status < 300:
            done.add(request.pair)
    return again


def _disordered(requests: list[Received]) -> frozenset[Pair]:
    """By the first 2xx of each: a duplicate may come late."""
    newest: dict[Pair, int] = {}
    done: set[Pair] = set()
    wrong: set[Pair] = set()
    ordered = (r for r in requests if r.key and r.sequence and 200 <= r.status < 300)
    for request in sorted(ordered, key=lambda r: r.t):
        line = (request.endpoint, request.key)
        if request.pair not in done and request.sequence < newest.get(line, 0):
            wrong.add(request.pair)
        done.add(request.pair)
        newest[line] = max(newest.get(line, 0), request.sequence)
    return frozenset(wrong)


def read_published(path: Path) -> list[Published]:
    """A publisher's file."""
    return [Published(line["id"], line["sha256"], line["t_send"], line["t_ack"]) for line in _lines(path)]


def read_received(path: Path) -> list[Received]:
    """A receiver's file."""
    return [
        Received(
            line["webhook-id"], line["endpoint"], line["attempt"], line["sha256"],
            line["signature_ok"], line["status"], line["t"], line.get("key", ""), line.get("sequence", 0),
        )
        for line in _lines(path)
    ]  # fmt: skip


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
