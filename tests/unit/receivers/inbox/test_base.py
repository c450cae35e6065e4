"""How long an inbox must remember."""

import pytest

from receivers.errors import InboxError
from receivers.inbox.base import require_ttl, validate_times
from receivers.inbox.memory import MemoryInbox


def test_the_ttl_covers_twice_the_tolerance() -> None:
    inbox = MemoryInbox(lease_seconds=1, ttl_seconds=600)
    require_ttl(inbox, tolerance_seconds=300, retry_schedule_seconds=0)
    with pytest.raises(InboxError, match="twice the tolerance"):
        require_ttl(inbox, tolerance_seconds=301, retry_schedule_seconds=0)


def test_the_ttl_covers_the_whole_schedule() -> None:
    inbox = MemoryInbox(lease_seconds=1, ttl_seconds=600)
    with pytest.raises(InboxError, match="retry schedule") as raised:
        require_ttl(inbox, tolerance_seconds=1, retry_schedule_seconds=601)
    assert raised.value.code == "inbox_settings"


def test_the_lease_is_positive_and_within_the_ttl() -> None:
    validate_times(60, 60)
    with pytest.raises(InboxError, match="0 < lease <= ttl"):
        validate_times(61, 60)
