"""Connections: packed as redis-py packs, and errors told apart by what they mean."""

import pytest
from redis import exceptions
from redis.asyncio import Connection

from gateway.store import connection

REFUSALS = [exceptions.ResponseError(f"{word} why") for word in ("OOM", "MISCONF", "NOREPLICAS", "UNBLOCKED")]


@pytest.mark.parametrize(
    "command",
    [("GET", "k"), ("CONFIG GET", "maxmemory"), ("SET", b"k", b"\x00\xff", "PX", 1), ("ZADD", "k", 1.5, "é")],
)
def test_commands_are_packed_as_redis_py_does(command: tuple[str | bytes | float, ...]) -> None:
    ours = connection.connect("redis://127.0.0.1/0").connection_pool.make_connection()
    theirs = Connection(host="127.0.0.1")
    assert b"".join(ours.pack_commands([command, command])) == b"".join(theirs.pack_commands([command, command]))


@pytest.mark.parametrize("url", ["redis://127.0.0.1/0", "rediss://127.0.0.1/0", "unix:///tmp/none.sock"])
def test_every_kind_of_url_has_the_fast_packing(url: str) -> None:
    assert hasattr(connection.connect(url).connection_pool.make_connection(), "pack_commands")
    assert connection.connect(url).connection_pool.connection_class.__module__ == connection.__name__


@pytest.mark.parametrize("error", [*(kind("x") for kind in connection.UNAVAILABLE), *REFUSALS], ids=repr)
def test_what_means_not_now(error: Exception) -> None:
    assert connection.is_unavailable(error)


@pytest.mark.parametrize("error", [ValueError("OOM"), exceptions.ResponseError("ERR x"), exceptions.NoScriptError("x")])
def test_what_means_never(error: Exception) -> None:
    assert not connection.is_unavailable(error)
