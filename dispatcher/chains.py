"""Chains: who stands in line for which ordering key at which ordered endpoint, in one partition. No I/O.

    new delivery --first in line--> busy --settled, left the chain--> the next one is begun
                 --one is busy----> parked (in memory, briefly) --too long--> stored
                 --some are stored--------------------------------> stored (`held order`)

`busy` is the one that is being attempted, or waits for a slot, or has an outcome to be settled; `parked` wait behind
it in memory; `stored` counts the open records of the chain that the store has, or will have once what is queued is
settled. What is stored stands before what is parked. A chain that has stored deliveries and none busy is `ready`: its
first, which only the store knows, can be loaded. If that one waits for a time or in its lane, it comes by itself; but
as long as a former owner may still end an attempt at it, it is `watched`: that takes it out of the line without our
doing.

Invariant: of a chain one delivery at a time is attempted in live order, and the next only after the store has confirmed
that the one before left the chain. So nothing of it begins while a change of it is `unsettled`: who is first would not
be known.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dispatcher.delivery import Delivery
from gateway import ids
from gateway.model.delivery import Record
from gateway.store.schedule import ChainId


class Watch(NamedTuple):
    """Who is first in a line while its former owner's attempt may end, and until when (store milliseconds)."""

    key: ids.DeliveryKey
    until_ms: int


class Chain:
    """One line: an ordering key at an endpoint.

    `changes` counts the transitions in it, `confirmed` those that the store has told us are made. `certain`: what was
    first when the partition was taken has been begun, so that nobody else's attempt is under way.
    """

    __slots__ = ("busy", "certain", "changes", "confirmed", "id", "parked", "stored")

    def __init__(self, chain_id: ChainId, stored: int = 0) -> None:
        self.id, self.stored = chain_id, stored
        self.changes = self.confirmed = 0
        self.certain = False
        self.busy: Delivery | None = None
        self.parked: deque[Delivery] = deque()

    @property
    def unsettled(self) -> bool:
        """Whether the store does not have it yet as it is here."""
        return self.changes != self.confirmed


class Chains:
    """All chains of one partition; `stored` is what the store has when the partition is taken."""

    def __init__(self, stored: Mapping[ChainId, int]) -> None:
        self._chains = {chain_id: Chain(chain_id, size) for chain_id, size in stored.items()}
        self.ready: dict[ChainId, None] = dict.fromkeys(stored)
        self.watched: dict[ChainId, Watch] = {}
        self.behind: Counter[int] = Counter()
        """How many are stored behind the first of their chain, by endpoint."""
        for chain_id, size in stored.items():
            self.behind[chain_id.endpoint] += size - 1
        self.parked = 0

    def of(self, delivery: Delivery) -> Chain:
        """The chain of a delivery that has one."""
        chain_id = ChainId(delivery.endpoint, delivery.chain)
        chain = self._chains.get(chain_id)
        if chain is None:
            chain = self._chains[chain_id] = Chain(chain_id)
        return chain

    def find(self, chain_id: ChainId) -> Chain | None:
        """The chain, if anything stands in it."""
        return self._chains.get(chain_id)

    def is_first(self, delivery: Delivery) -> bool:
        """Whether nothing stands before a delivery that is new, or is the one that is busy."""
        chain = self.of(delivery)
        return chain.busy is delivery or (chain.busy is None and not chain.stored and not chain.parked)

    def begin(self, delivery: Delivery) -> bool:
        """Make it the busy one; False when another one is, or it has no chain to be in."""
        if not delivery.chain:
            return True
        chain = self.of(delivery)
        if chain.busy is not None and chain.busy is not delivery:
            return False
        chain.busy = delivery
        self.ready.pop(chain.id, None)
        self.watched.pop(chain.id, None)
        return True

    def park(self, delivery: Delivery) -> None:
        """Wait in memory behind the busy one."""
        self.of(delivery).parked.append(delivery)
        self.parked += 1

    def note(self, delivery: Delivery, before: Record | None, after: Record) -> None:
        """A transition was queued."""
        chain = self.of(delivery)
        chain.changes += 1
        self.watched.pop(chain.id, None)
        self._resize(chain, chain.stored + after.in_chain - (before is not None and before.in_chain))

    def _resize(self, chain: Chain, stored: int) -> None:
        self.behind[chain.id.endpoint] += max(stored - 1, 0) - max(chain.stored - 1, 0)
        chain.stored = stored

    def settled(self, delivery: Delivery) -> Chain | None:
        """A transition of a delivery was confirmed; its chain, if nobody is busy in it now."""
        chain = self._chains.get(ChainId(delivery.endpoint, delivery.chain))
        if chain is None:
            return None
        chain.confirmed += 1
        if chain.busy is delivery and not delivery.running and not delivery.queued:
            chain.busy = None
        if chain.busy is not None:
            return None
        if chain.stored:
            self.ready[chain.id] = None
            return chain
        if chain.unsettled:
            return None
        if not chain.parked:
            self._remove(chain)
            return None
        return chain

    def _remove(self, chain: Chain) -> None:
        del self._chains[chain.id]
        self.ready.pop(chain.id, None)

    def watch(self, chain_id: ChainId, watch: Watch) -> None:
        """Look again and again who is first in a chain that nobody is busy in."""
        if chain_id in self._chains:
            self.watched[chain_id] = watch

    def passed_by(self, chain_id: ChainId, changes: int, *, by: bool) -> None:
        """The first of a chain left it without our doing: the attempt of a former owner ended.

        `by` says whether another one is first now. Nothing is done if anything changed since the chain had that many
        `changes`, nor when nobody stands in line where more should: then the line was deleted, and will be made again.
        """
        chain = self._chains.get(chain_id)
        if chain is None or chain.changes != changes or chain.unsettled or chain.busy is not None:
            return
        if by is not (chain.stored > 1):
            return
        self.watched.pop(chain_id, None)
        self._resize(chain, chain.stored - 1)
        if chain.stored > 0:
            self.ready[chain_id] = None
        elif not chain.parked:
            self._remove(chain)

    def next_parked(self, chain: Chain) -> Delivery:
        """Take the first of those that wait in memory."""
        self.parked -= 1
        return chain.parked.popleft()

    def unpark(self, chain: Chain) -> list[Delivery]:
        """Take all that wait in memory, in order."""
        taken = list(chain.parked)
        chain.parked.clear()
        self.parked -= len(taken)
        return taken

    def forget_parked(self) -> None:
        """Nothing waits in memory any more: all that did is being recorded."""
        for chain in self._chains.values():
            chain.parked.clear()
        self.parked = 0

    def take_slow(self, before: float) -> list[Delivery]:
        """Take what waits in memory since before a moment (monotonic seconds), with all that stands behind it."""
        if not self.parked:
            return []
        slow = [chain for chain in self._chains.values() if chain.parked and chain.parked[0].since < before]
        return [delivery for chain in slow for delivery in self.unpark(chain)]

    def put_back(self, chain_ids: Iterable[ChainId]) -> None:
        """Look again at these later."""
        self.ready.update(dict.fromkeys(chain_id for chain_id in chain_ids if chain_id in self._chains))
