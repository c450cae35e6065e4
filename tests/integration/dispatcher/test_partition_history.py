"""Owners of a partition do anything in any order: nothing is lost, nothing is in two states, the ledger balances.

`HISTORY_EXAMPLES` and `HISTORY_STEPS` make it longer.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.model.delivery import Reason
from gateway.store import connection, work
from tests.integration.dispatcher.history import RESULTS, Owned
from tests.support.valkey import ValkeyServer

EXAMPLES = int(os.environ.get("HISTORY_EXAMPLES", "20"))
STEPS = int(os.environ.get("HISTORY_STEPS", "30"))
ENDPOINTS = (1, 2, 4)
"""In no order, in order, and in order but for failures."""
results = st.sampled_from(sorted(RESULTS))
subjects = st.sampled_from(["", "a", "a", "b"])


class History(RuleBasedStateMachine):
    """Each step is what a loop, a person or a fault may do next."""

    server: ValkeyServer

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.owned: Owned

    def run(self, work_to_do: Coroutine[Any, Any, None]) -> None:
        self._runner.run(work_to_do)

    @initialize()
    def begin(self) -> None:
        async def start() -> None:
            redis = connection.connect(self.server.url)
            await redis.flushall()
            self.owned = Owned(redis)
            await self.owned.take()

        self.run(start())

    @rule(count=st.integers(1, 3), endpoints=st.sets(st.sampled_from(ENDPOINTS)), subject=subjects)
    def publish(self, count: int, endpoints: set[int], subject: str) -> None:
        append = self.owned.appending(count, subject)
        self.run(self.owned.publish(append, subject, tuple(sorted(endpoints))))

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

    @rule(endpoint=st.sampled_from(ENDPOINTS), why=st.sampled_from([Reason.PAUSED, Reason.BREAKER]))
    def hold(self, endpoint: int, why: Reason) -> None:
        self.run(self.owned.hold(endpoint, why))

    @rule(endpoint=st.sampled_from(ENDPOINTS))
    def release(self, endpoint: int) -> None:
        self.owned.held.pop(endpoint, None)

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

    @rule(at=st.floats(0.0, 1.0), subject=subjects, publishing=st.booleans())
    def cut_the_append_only_file(self, at: float, subject: str, publishing: bool) -> None:
        """The store dies before it answers a script, and its file ends somewhere in what that wrote."""
        append = self.owned.appending(2, subject)
        self.run(self.owned.cut(self.server, at, append if publishing else None))
        if publishing:
            self.run(self.owned.publish(append, subject, ENDPOINTS))

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
        owned.held.clear()
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
        assert await owned.redis.zcard(owned.keys.open) == 0
        assert await owned.redis.zcard(owned.keys.order) == 0
        assert await owned.redis.hlen(owned.keys.work) == 0
        await owned.redis.aclose()


def test_whatever_happens_in_whatever_order(valkey_server: ValkeyServer) -> None:
    budget = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        # each try to shorten a failure would restart the store again and again
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    History.server = valkey_server
    run_state_machine_as_test(History, settings=budget)
