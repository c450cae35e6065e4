import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from redis.asyncio import Redis

from dispatcher.registry_view import RegistryView, RouteRefused
from gateway import ids
from gateway.clock import SystemClock
from gateway.egress import Egress
from gateway.model.delivery import Reason
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.store import changes, scripts
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from gateway.store.vault import Vault, parse_keys
from tests.integration.dispatcher.rig import Rig


class Watched:
    """A view, and what it said is off, or has changed; and whose breakers."""

    def __init__(self, rig: Rig) -> None:
        self.off: list[int] = []
        self.changed: list[int] = []
        self.breakers: list[set[str] | None] = []
        self.cursors: list[str] = []
        self.registry = Registry(rig.redis, SystemClock())
        vault = Vault.from_settings(rig.settings, rig.settings.data)
        self.view = RegistryView(
            self.registry, vault, Egress(rig.settings.egress_allow, SystemClock()),
            self.off.append, self.on_breakers, self.changed.append,
        )  # fmt: skip

    async def on_breakers(self, numbers: set[str] | None) -> None:
        self.breakers.append(numbers)
        self.cursors.append(self.view.cursor)


@pytest.fixture
async def watched(rig: Rig) -> Watched:
    watched = Watched(rig)
    await watched.view.load()
    return watched


def matched(view: RegistryView, event_type: str = "order.placed", subscriber: str = "") -> list[str]:
    event = Event(ids.Address(1, 0, 0), "e", "/t", event_type, b"", subscriber=subscriber)
    return [endpoint.id for endpoint in view.match(event)]


async def test_what_was_registered_before_and_after_the_load_is_known(rig: Rig, watched: Watched) -> None:
    await rig.endpoint("one")
    view = Watched(rig).view
    await view.load()
    assert matched(view) == ["one"]
    await rig.endpoint("two")
    assert matched(view) == ["one"]
    await view.refresh()
    assert matched(view) == ["one", "two"]


async def test_following_applies_what_came_with_the_read(rig: Rig, watched: Watched) -> None:
    cursor = watched.view.cursor
    await rig.endpoint("one")
    reply: Sequence[object] = await rig.redis.execute_command(*changes.command(cursor))
    await watched.view.follow(cursor, reply)
    assert matched(watched.view) == ["one"]
    assert watched.view.cursor != cursor


async def test_a_reply_that_was_overtaken_is_read_again(rig: Rig, watched: Watched) -> None:
    """The reader's reply was under way while somebody else refreshed."""
    cursor = watched.view.cursor
    old: Sequence[object] = await rig.redis.execute_command(*changes.command(cursor))
    await rig.endpoint("one")
    await watched.view.refresh()
    ahead = watched.view.cursor
    await rig.endpoint("two")
    await watched.view.follow(cursor, old)
    assert matched(watched.view) == ["one", "two"]
    assert ids.parse_stream_id(watched.view.cursor) > ids.parse_stream_id(ahead)


async def test_an_older_value_is_never_put_over_a_newer_one(
    rig: Rig, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await rig.endpoint("one")
    await watched.view.refresh()
    get, entered, go_on = Registry.get_endpoints, asyncio.Event(), asyncio.Event()

    async def slow(self: Registry, names: object) -> dict[str, Endpoint]:
        found = await get(self, names)  # type: ignore[arg-type]  # passed on as it is
        if not entered.is_set():
            entered.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(Registry, "get_endpoints", slow)
    await rig.registry.update_endpoint(rig.at(one, rig.receiver.url("old")), one.revision)
    first = asyncio.create_task(watched.view.refresh())
    await entered.wait()
    stored = await rig.registry.get_endpoint("one")
    assert stored is not None
    await rig.registry.update_endpoint(rig.at(stored, rig.receiver.url("new")), stored.revision)
    second = asyncio.create_task(watched.view.refresh())
    await asyncio.wait({second}, timeout=0.2)
    go_on.set()
    await asyncio.gather(first, second)
    known = watched.view.endpoint(one.number)
    assert known is not None
    assert known.url.endswith("/new")


@pytest.mark.parametrize("how", ["disabled", "deleted", "by a load"])
async def test_what_is_switched_off_is_said_once_it_is_known(rig: Rig, watched: Watched, how: str) -> None:
    one, two = await rig.endpoints(["one", "two"])
    await watched.view.refresh()
    assert watched.view.is_on(one.number)
    if how == "disabled":
        await rig.switch(one, "disabled")
    else:
        await rig.registry.delete_endpoint("one")
    if how == "by a load":
        await rig.redis.delete(RegistryKeys.changes)
    await watched.view.refresh()
    assert watched.off == [one.number]
    reason = Reason.ENDPOINT_DISABLED if how == "disabled" else Reason.ENDPOINT_DELETED
    assert watched.view.off_reason(one.number) is reason
    assert watched.view.off_reason(two.number) is None
    assert matched(watched.view) == ["two"]


async def test_an_id_used_again_is_another_endpoint(rig: Rig, watched: Watched) -> None:
    old = await rig.endpoint("one")
    await watched.view.refresh()
    await rig.registry.delete_subscriber("one")
    new = await rig.endpoint("one")
    await watched.view.refresh()
    assert new.number != old.number
    assert (watched.view.is_on(old.number), watched.view.is_on(new.number)) == (False, True)
    assert watched.off == [old.number]


async def announce_breaker(rig: Rig, number: int, held: bytes, new: bytes) -> None:
    keys = (RegistryKeys.breakers, RegistryKeys.changes)
    await scripts.load("registry_swap")(rig.redis, keys, (number, held, new, "breaker", number))


async def test_breakers_that_changed_are_handed_on_before_the_cursor_moves(rig: Rig, watched: Watched) -> None:
    assert (watched.breakers, watched.cursors) == ([None], ["0-0"])
    one, two = await rig.endpoints(["one", "two"])
    before = watched.view.cursor
    await announce_breaker(rig, one.number, b"", b"open")
    await announce_breaker(rig, two.number, b"", b"open")
    await watched.view.refresh()
    assert watched.breakers[1:] == [{str(one.number), str(two.number)}]
    assert watched.cursors[1:] == [before]
    assert watched.view.cursor != before
    await rig.redis.delete(RegistryKeys.changes)
    await watched.view.refresh()
    assert watched.breakers[2:] == [None]


async def test_breakers_that_could_not_be_read_are_handed_on_again(rig: Rig, watched: Watched) -> None:
    watched.view._mirror._on_breakers = refuse
    await announce_breaker(rig, 7, b"", b"open")
    with pytest.raises(ConnectionError):
        await watched.view.refresh()
    watched.view._mirror._on_breakers = watched.on_breakers
    await watched.view.refresh()
    assert watched.breakers[1:] == [{"7"}]


async def refuse(numbers: set[str] | None) -> None:
    raise ConnectionError(numbers)


@pytest.mark.parametrize("how", ["stream", "load"])
async def test_endpoints_that_were_replaced_or_removed_are_named(rig: Rig, watched: Watched, how: str) -> None:
    one, two, three = await rig.endpoints(["one", "two", "three"])
    await watched.view.refresh()
    assert watched.changed == []
    await rig.registry.update_endpoint(rig.at(one, rig.receiver.url("moved")), one.revision)
    await rig.registry.delete_endpoint("two")
    if how == "load":
        await rig.redis.delete(RegistryKeys.changes)
    await watched.view.refresh()
    assert sorted(watched.changed) == [one.number, two.number]
    assert watched.view.is_on(three.number)


async def test_many_changes_are_read_to_their_end(rig: Rig, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PAGE", 10)
    for number in range(35):
        await rig.endpoint(f"n{number}")
    await watched.view.refresh()
    assert len(matched(watched.view)) == 35


async def test_a_route_is_made_once_and_anew_after_a_change(rig: Rig, watched: Watched) -> None:
    one = await rig.endpoint("one")
    await watched.view.refresh()
    route = watched.view.route(one.number)
    assert watched.view.route(one.number) is route
    await rig.registry.update_endpoint(rig.at(one, rig.receiver.url("moved")), one.revision)
    await watched.view.refresh()
    assert b"POST /moved" in watched.view.route(one.number).template
    await rig.registry.delete_endpoint("one")
    await watched.view.refresh()
    with pytest.raises(RouteRefused, match="deleted"):
        watched.view.route(one.number)


@pytest.mark.parametrize("wrong", ["url", "secret", "key"])
async def test_what_may_not_be_sent_to_is_refused_with_the_reason(rig: Rig, watched: Watched, wrong: str) -> None:
    made = rig.made("one", "all")
    if wrong == "url":
        made = rig.at(made, "http://10.0.0.1/")
    if wrong == "secret":
        made = msgspec.structs.replace(made, secrets=rig.made("other", "all").secrets)
    (one,) = await rig.registry.create_subscriber(rig.subscriber("all"), [made])
    await watched.view.refresh()
    if wrong == "key":
        watched.view._vault = Vault(parse_keys("k2:" + "A" * 43 + "="))
    with pytest.raises(RouteRefused):
        watched.view.route(one.number)


async def test_an_emptied_store_is_an_empty_registry(rig: Rig, watched: Watched) -> None:
    one = await rig.endpoint("one")
    await watched.view.refresh()
    client: Redis = rig.redis
    await client.flushall()
    await watched.view.refresh()
    assert matched(watched.view) == []
    assert watched.off == [one.number]
