"""A store that would lose what it acknowledges, or has lost it (FAULTS 1, row 7).

Neither a gateway nor a dispatcher starts on it, and a gateway that runs is not ready; both say why.
"""

import shutil
from collections.abc import Callable

import httpx
import pytest
import redis

from tests.chaos.scene import Scene
from tests.support.system import System
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos


def without_aof(system: System) -> None:
    restart_with(system, appendonly="no")


def evicting(system: System) -> None:
    restart_with(system, **{"maxmemory-policy": "allkeys-lru"})


def replica(system: System) -> None:
    """Of a master that never answers."""
    with redis.Redis.from_url(system.store.url) as client:
        client.replicaof("127.0.0.1", 1)


def emptied(system: System) -> None:
    system.store.stop()
    shutil.rmtree(system.store.directory)
    system.store.directory.mkdir()
    system.store.start()


def restart_with(system: System, **settings: str) -> None:
    system.store.stop()
    system.store.settings = {**system.store.settings, **settings}
    system.store.start()


def reasons(system: System) -> list[str]:
    """Why /readyz says that it is not ready; empty when it is."""
    answer = httpx.get(f"{system.url}/readyz", trust_env=False)
    return [reason["code"] for reason in answer.json()["reasons"]] if answer.status_code == 503 else []


@pytest.mark.together
@pytest.mark.parametrize(
    ("spoil", "unready", "refused_by_gateway", "refused_by_dispatcher"),
    [
        (without_aof, "aof_off", "appendonly is 'no'", "appendonly is 'no'"),
        (evicting, "evicts", "maxmemory-policy is 'allkeys-lru'", "maxmemory-policy is 'allkeys-lru'"),
        (replica, "not_master", "role is slave", "role is slave"),
        (emptied, "store_changed", "is not the one that this gateway was used with", ""),
    ],
    ids=["without AOF", "evicting", "a replica", "emptied"],
)
def test_neither_starts_nor_is_ready_and_both_say_why(
    scene: Scene, spoil: Callable[[System], None], unready: str, refused_by_gateway: str, refused_by_dispatcher: str
) -> None:
    system = scene.start(store=ValkeyServer(), dispatchers=1, expected_errors=["loop.failed", "store.refused"])
    assert system.api.publish({"type": "chaos.event", "data": 1}).status_code == 202
    spoil(system)
    wait_until(lambda: unready in reasons(system), 10, f"/readyz names {unready}")
    for name, said in (("gateway", refused_by_gateway), ("dispatcher-0", refused_by_dispatcher)):
        part = system.parts[name]
        part.kill9()
        if said:
            part.start()
            assert part.finish(20) > 0
            assert said in part.output()
