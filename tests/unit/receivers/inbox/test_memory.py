"""The inbox in memory: the common suite, and its own limits."""

import pytest

from receivers.errors import InboxError
from receivers.inbox.base import DEFAULT_TTL_SECONDS, Claimed, Inbox
from receivers.inbox.memory import MemoryInbox
from tests.support.inbox_suite import InboxSuite


class TestMemoryInbox(InboxSuite):
    instant = 1000.0

    def now(self) -> float:
        return self.instant

    @pytest.fixture
    def inbox(self) -> MemoryInbox:
        return MemoryInbox(now=self.now)

    async def let_the_lease_pass(self, inbox: Inbox) -> None:
        self.instant += 60.0

    async def let_the_ttl_pass(self, inbox: Inbox) -> None:
        self.instant += DEFAULT_TTL_SECONDS

    async def test_the_lease_ends_at_its_end_and_not_before(self, inbox: MemoryInbox) -> None:
        await self.claimed(inbox)
        self.instant += 59.999
        assert not isinstance(await inbox.claim("evt_1"), Claimed)
        self.instant += 0.001
        await self.claimed(inbox)

    async def test_done_is_remembered_from_the_commit_on(self, inbox: MemoryInbox) -> None:
        token = await self.claimed(inbox)
        self.instant += 50.0
        await inbox.commit("evt_1", token)
        self.instant += DEFAULT_TTL_SECONDS - 0.001
        assert not isinstance(await inbox.claim("evt_1"), Claimed)

    async def test_what_is_past_its_ttl_takes_no_memory(self, inbox: MemoryInbox) -> None:
        for number in range(100):
            await inbox.commit(f"evt_{number}", await self.claimed(inbox, f"evt_{number}"))
        assert len(inbox) == 100
        self.instant += DEFAULT_TTL_SECONDS
        await self.claimed(inbox, "evt_new")
        assert len(inbox) == 1

    async def test_a_full_inbox_refuses_new_ids_and_forgets_none(self) -> None:
        inbox = MemoryInbox(maximum_entries=2, now=self.now)
        first = await self.claimed(inbox, "evt_1")
        await self.claimed(inbox, "evt_2")
        with pytest.raises(InboxError, match="Redis inbox") as raised:
            await inbox.claim("evt_3")
        assert raised.value.code == "inbox_full"
        assert await inbox.commit("evt_1", first)
        assert await inbox.release("evt_1", first) is False


@pytest.mark.parametrize(("lease", "ttl"), [(0, 10), (-1, 10), (11, 10), (float("nan"), 10)])
def test_impossible_times_are_refused(lease: float, ttl: float) -> None:
    with pytest.raises(InboxError, match="lease"):
        MemoryInbox(lease_seconds=lease, ttl_seconds=ttl)
