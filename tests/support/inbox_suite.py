"""What every inbox promises (`receivers.inbox.base`), as one suite that is run against each implementation."""

import abc
import asyncio

import pytest

from receivers.inbox.base import Claimed, Done, Inbox, InProgress


class InboxSuite(abc.ABC):
    """A subclass gives the inbox as the fixture `inbox`, and says how its time passes."""

    @abc.abstractmethod
    async def let_the_lease_pass(self, inbox: Inbox) -> None:
        """Make every present claim older than its lease."""

    @abc.abstractmethod
    async def let_the_ttl_pass(self, inbox: Inbox) -> None:
        """Make every present entry older than the inbox's ttl."""

    async def claimed(self, inbox: Inbox, webhook_id: str = "evt_1") -> str:
        """Claim, which must succeed; the token."""
        claim = await inbox.claim(webhook_id)
        assert isinstance(claim, Claimed)
        return claim.token

    async def test_a_claimed_id_is_in_progress_for_others(self, inbox: Inbox) -> None:
        await self.claimed(inbox)
        second = await inbox.claim("evt_1")
        assert isinstance(second, InProgress)
        assert 0 < second.seconds_left <= 60

    async def test_a_committed_id_is_done_for_ever_after(self, inbox: Inbox) -> None:
        token = await self.claimed(inbox)
        assert await inbox.commit("evt_1", token)
        await self.let_the_lease_pass(inbox)
        assert [await inbox.claim("evt_1") for _ in range(3)] == [Done()] * 3

    async def test_a_released_id_is_free(self, inbox: Inbox) -> None:
        first = await self.claimed(inbox)
        assert await inbox.release("evt_1", first)
        assert await self.claimed(inbox) != first

    async def test_ids_do_not_meet(self, inbox: Inbox) -> None:
        token = await self.claimed(inbox, "evt_1")
        await self.claimed(inbox, "evt_2")
        assert not await inbox.commit("evt_2", token)
        assert not await inbox.release("evt_2", token)

    async def test_of_a_hundred_claims_at_once_one_wins(self, inbox: Inbox) -> None:
        claims = await asyncio.gather(*(inbox.claim("evt_1") for _ in range(100)))
        assert sum(isinstance(claim, Claimed) for claim in claims) == 1
        assert sum(isinstance(claim, InProgress) for claim in claims) == 99

    async def test_an_expired_claim_is_taken_over_and_the_first_holder_is_refused(self, inbox: Inbox) -> None:
        first = await self.claimed(inbox)
        await self.let_the_lease_pass(inbox)
        second = await self.claimed(inbox)
        assert not await inbox.commit("evt_1", first)
        assert not await inbox.release("evt_1", first)
        assert isinstance(await inbox.claim("evt_1"), InProgress)
        assert await inbox.commit("evt_1", second)
        assert await inbox.claim("evt_1") == Done()

    async def test_of_a_hundred_claims_on_an_expired_one_one_wins(self, inbox: Inbox) -> None:
        await self.claimed(inbox)
        await self.let_the_lease_pass(inbox)
        claims = await asyncio.gather(*(inbox.claim("evt_1") for _ in range(100)))
        assert sum(isinstance(claim, Claimed) for claim in claims) == 1

    async def test_a_late_commit_counts_if_nobody_took_over(self, inbox: Inbox) -> None:
        token = await self.claimed(inbox)
        await self.let_the_lease_pass(inbox)
        assert await inbox.commit("evt_1", token)
        assert await inbox.claim("evt_1") == Done()

    async def test_a_repeated_commit_answers_the_same(self, inbox: Inbox) -> None:
        token = await self.claimed(inbox)
        assert await inbox.commit("evt_1", token)
        assert await inbox.commit("evt_1", token)

    async def test_done_is_never_released(self, inbox: Inbox) -> None:
        token = await self.claimed(inbox)
        assert await inbox.commit("evt_1", token)
        assert not await inbox.release("evt_1", token)
        assert await inbox.claim("evt_1") == Done()

    @pytest.mark.parametrize("token", ["", "x", "done", "0" * 32])
    async def test_a_stranger_changes_nothing(self, inbox: Inbox, token: str) -> None:
        assert not await inbox.commit("evt_1", token)
        assert not await inbox.release("evt_1", token)
        holder = await self.claimed(inbox)
        assert not await inbox.commit("evt_1", token)
        assert not await inbox.release("evt_1", token)
        assert await inbox.commit("evt_1", holder)

    async def test_done_is_forgotten_after_the_ttl(self, inbox: Inbox) -> None:
        assert await inbox.commit("evt_1", await self.claimed(inbox))
        await self.let_the_ttl_pass(inbox)
        await self.claimed(inbox)

    async def test_an_abandoned_claim_is_forgotten_after_the_ttl(self, inbox: Inbox) -> None:
        token = await self.claimed(inbox)
        await self.let_the_ttl_pass(inbox)
        assert not await inbox.commit("evt_1", token)

    @pytest.mark.parametrize("webhook_id", ["a" * 256, "evt_1:r3", "x y", "{tag}", "done:", "é"])
    async def test_any_id_is_one_entry(self, inbox: Inbox, webhook_id: str) -> None:
        assert await inbox.commit(webhook_id, await self.claimed(inbox, webhook_id))
        assert await inbox.claim(webhook_id) == Done()
