"""`python -m tests.bench.null_app`: the gateway as it is, but an event is acknowledged without being stored.

Everything else is the real thing: server, edge rules, key, envelope, answer. What ingest costs beyond this
is what the store costs.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Sequence
from unittest import mock

from redis.asyncio import Redis

from gateway.api import opening, server
from gateway.ids import Address
from gateway.ingest.group_commit import GroupCommit, Tell
from gateway.model.event import NewEvent
from gateway.store import keys, log


class NoCommit(GroupCommit):
    """Answers at once with an address of its own making."""

    def __init__(self, redis: Redis, partitions: Sequence[keys.PartitionKeys]) -> None:
        super().__init__(redis, partitions)
        self._numbers = itertools.count()

    def begin(self, event: NewEvent, tell: Tell, index: int = 0) -> None:
        address = Address(time.time_ns() // 1_000_000, next(self._numbers), 0)
        asyncio.get_running_loop().call_soon(tell, index, log.Appended(log.Outcome.NEW, address))


def main() -> int:
    """Run the gateway's own main."""
    with mock.patch.object(opening, "GroupCommit", NoCommit):
        return server.main()


if __name__ == "__main__":
    sys.exit(main())
