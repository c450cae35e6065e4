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
from gateway.ingest.group_commit import GroupCommit
from gateway.model.event import NewEvent
from gateway.store import keys, log


class NoCommit(GroupCommit):
    """Answers at once with an address of its own making."""

    def __init__(self, redis: Redis, partitions: Sequence[keys.PartitionKeys]) -> None:
        super().__init__(redis, partitions)
        self._numbers = itertools.count()

    def submit(self, event: NewEvent) -> "asyncio.Future[log.Appended]":
        done: asyncio.Future[log.Appended] = asyncio.get_running_loop().create_future()
        address = Address(time.time_ns() // 1_000_000, next(self._numbers), 0)
        done.set_result(log.Appended(log.Outcome.NEW, address))
        return done


def main() -> int:
    """Run the gateway's own main."""
    with mock.patch.object(opening, "GroupCommit", NoCommit):
        return server.main()


if __name__ == "__main__":
    sys.exit(main())
