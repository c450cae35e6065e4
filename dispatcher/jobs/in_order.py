"""The candidates of one partition, of each ordering key one at a time: for a replay that live events wait for.

    look: how the first of each key stands --through--> the next of its key is the first
                                           --wait-----> its order, its attempt or its retry is under way
                                           --ask------> it may be ordered
    ask:  so many of those that may be ordered, the oldest first

A delivery is through when it has ended; where the endpoint says `on_failure: skip`, already when it has failed once.
One that somebody else has opened, a live event that is held for instance, is not waited for. The cursor passes what is
through up to the first that is not, so whoever goes on from it finds out from orders and records how each one stands.

A retry is made by its schedule, while live events wait, too. One that comes due while the endpoint is paused is held;
it is ordered again, since only the end of the replay lets go what is held.
"""

from typing import Literal, NamedTuple

from redis.asyncio import Redis

from dispatcher.jobs.candidates import Candidate, Candidates
from gateway.ids import DeliveryKey
from gateway.model.delivery import OPEN_STATES, Record, State
from gateway.store import deliveries, work

HEADS_AT_ONCE = 256
Standing = Literal["ask", "wait", "through"]


class Looked(NamedTuple):
    """How many candidates were passed, and how many of them this replay has brought."""

    passed: int
    ours: int


def stands(record: Record | None, *, ordered: bool, placed: bool, run: int, aside: bool) -> Standing:
    """How a delivery stands: `ordered` while an order for it waits, `placed` once ours was taken.

    `run` is the replay's; `aside`: whether one failure is enough to let the next one go.
    """
    if ordered:
        return "wait"
    if record is None:
        return "ask"
    if record.run != run:
        return "through" if placed or record.state in {*OPEN_STATES, State.DELIVERED} else "ask"
    if record.state not in OPEN_STATES or (aside and record.failures):
        return "through"
    return "ask" if record.state is State.HELD else "wait"


class Line:
    """One partition; `run` is the replay's number."""

    def __init__(self, redis: Redis, candidates: Candidates, kind: work.Kind, run: int, *, aside: bool) -> None:
        self._redis, self._candidates = redis, candidates
        self._kind, self._run, self._aside = kind, run, aside
        self._placed: set[DeliveryKey] = set()
        self._through: dict[DeliveryKey, bool] = {}
        """Those that are through but not passed yet, and whether this replay has brought them."""
        self._askable: list[DeliveryKey] = []

    @property
    def waits(self) -> bool:
        """Whether anything is not passed."""
        return bool(self._candidates.waiting)

    @property
    def oldest(self) -> DeliveryKey:
        """The first that is not passed; there must be one."""
        return self._candidates.waiting[0].key

    async def look(self) -> Looked:
        """See how the first of each key stands, and pass what is through. Raises redis errors."""
        heads = [one.key for one in self._heads()]
        partition = self._candidates.partition
        orders = await work.read(self._redis, partition, heads) if heads else []
        # after the orders: once an order is gone, the record says what became of it
        records = await deliveries.read(self._redis, partition, heads)
        self._askable = []
        for key, order, record in zip(heads, orders, records, strict=True):
            placed = key in self._placed
            standing = stands(record, ordered=order is not None, placed=placed, run=self._run, aside=self._aside)
            if standing == "through":
                self._through[key] = placed or (record is not None and record.run == self._run)
            elif standing == "ask":
                self._askable.append(key)
        return self._pass()

    async def ask(self, count: int) -> int:
        """Order at most so many of those that may be ordered; how many orders were placed. Raises redis errors."""
        wanted = self._askable[:count]
        if not wanted:
            return 0
        answers = await work.order(self._redis, self._candidates.partition, wanted, self._kind, self._run)
        for key, answer in zip(wanted, answers, strict=True):
            if answer.answer == "queued":
                self._placed.add(key)
            elif answer.answer == "kept":
                # there is nothing to be ordered, so nothing that the next one could wait for
                self._through[key] = answer.record is not None and answer.record.run == self._run
        return sum(answer.answer == "queued" for answer in answers)

    def _heads(self) -> list[Candidate]:
        """Of each ordering key the first that is not through, and all without a key; a bounded number."""
        keys: set[str] = set()
        heads: list[Candidate] = []
        for one in self._candidates.waiting:
            if one.key in self._through or one.ordering_key in keys:
                continue
            if one.ordering_key:
                keys.add(one.ordering_key)
            heads.append(one)
            if len(heads) == HEADS_AT_ONCE:
                break
        return heads

    def _pass(self) -> Looked:
        passed = ours = 0
        for one in self._candidates.waiting:
            if one.key not in self._through:
                break
            ours += self._through.pop(one.key)
            self._placed.discard(one.key)
            passed += 1
        self._candidates.passed(passed)
        return Looked(passed, ours)
