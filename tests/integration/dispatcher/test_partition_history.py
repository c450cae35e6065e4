"""Owners of a partition do anything in any order: nothing is lost, nothing is in two states, the ledger balances."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.store import connection, work
from tests.integration.dispatcher.history import RESULTS, Owned

ENDPOINTS = (1, 2, 15)
results = st.sampled_from(sorted(RESULTS))


class History(RuleBasedStateMachine):
    """Each step is what a loop, a person or a fault may do next."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.owned: Owned

    def run(self, work_to_do: Coroutine[Any, Any, None]) -> None:
        self._runner.run(work_to_do)

    @initialize()
    def begin(self) -> None:
        async def start() -> None:
            self.redis = connection.connect(self.url)
            await self.redis.flushall()
            self.owned = Owned(self.redis)
            await self.owned.take()

        self.run(start())

    @rule(count=st.integers(1, 3), endpoints=st.sets(st.sampled_from(ENDPOINTS)))
    def publish(self, count: int, endpoints: set[int]) -> None:
        self.run(self.owned.publish(count, tuple(sorted(endpoints))))

    @rule()
    def read(self) -> None:
        self.run(self.owned.read())

    @precondition(lambda self: self.owned.begun)
    @rule(data=st.data(), result=results)
    def end_an_attempt(self, data: st.DataObject, result: str) -> None:
        delivery = data.draw(st.sampled_from(self.owned.begun))
        self.owned.begun.remove(delivery)
        self.owned.end(delivery, result)

    @precondition(lambda self: self.owned.begun)
    @rule(data=st.data())
    def put_off(self, data: st.DataObject) -> None:
        self.owned.defer(data.draw(st.sampled_from(self.owned.begun)))

    @rule(lossy=st.booleans())
    def settle(self, lossy: bool) -> None:
        self.run(self.owned.settle(lossy=lossy))

    @rule()
    def begin_what_waits(self) -> None:
        self.run(self.owned.begin_waiting())

    @rule(endpoint=st.sampled_from(ENDPOINTS))
    def switch_off(self, endpoint: int) -> None:
        self.run(self.owned.decline(endpoint))

    @precondition(lambda self: self.owned.published)
    @rule(data=st.data(), kind=st.sampled_from(work.Kind), endpoint=st.sampled_from(ENDPOINTS), run=st.integers(1, 2))
    def order(self, data: st.DataObject, kind: work.Kind, endpoint: int, run: int) -> None:
        address = data.draw(st.sampled_from(sorted(self.owned.published)))
        if address not in self.owned.left:
            self.run(self.owned.order(address, endpoint, kind, run))

    @rule()
    def obey(self) -> None:
        self.run(self.owned.obey())

    @rule(early=st.booleans())
    def trim(self, early: bool) -> None:
        self.run(self.owned.trim(early=early))

    @rule()
    def crash(self) -> None:
        self.run(self.owned.take())

    @rule()
    def hand_over(self) -> None:
        self.run(self.owned.hand_over())

    @precondition(lambda self: self.owned.orphans)
    @rule(result=results)
    def end_an_orphan(self, result: str) -> None:
        self.run(self.owned.settle_orphan(result))

    @rule()
    def lose_and_rebuild_the_places(self) -> None:
        self.run(self.owned.break_places())

    @invariant()
    def all_is_well(self) -> None:
        if hasattr(self, "owned"):
            self.run(self.owned.check())

    def teardown(self) -> None:
        try:
            if hasattr(self, "owned"):
                self.run(self._run_out())
        finally:
            self._runner.close()

    async def _run_out(self) -> None:
        """Everything succeeds from now on: in the end every delivery is in a terminal state."""
        owned = self.owned
        owned.orphans.clear()
        await owned.take()
        for _ in range(60):
            await owned.read()
            await owned.begin_waiting()
            await owned.obey()
            for delivery in owned.begun:
                owned.end(delivery, "ok")
            owned.begun = []
            await owned.settle(lossy=False)
        await owned.check()
        assert await self.redis.zcard(owned.keys.open) == 0
        assert await self.redis.hlen(owned.keys.work) == 0
        await self.redis.aclose()


def test_whatever_happens_in_whatever_order(valkey_url: str) -> None:
    budget = settings(
        max_examples=20,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    History.url = valkey_url
    run_state_machine_as_test(History, settings=budget)
