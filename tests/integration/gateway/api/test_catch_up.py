"""Replays that live events wait for, from outside: the mark at the endpoint, and when it goes."""

import asyncio
from typing import Any

import msgspec
import pytest

from gateway import rfc3339
from gateway.api import catch_up
from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay
from gateway.problems import Problem
from gateway.store import marks
from tests.integration.gateway.api.calls import call_of
from tests.support.api_rig import INTERNAL_URL, URL, Rig, code_of, fields_of

SINCE = "2026-01-01T00:00:00Z"
BODY = {"endpoint": "e", "since": SINCE, "catch_up": True}


async def ordered(rig: Rig, name: str = "e") -> None:
    """An ordered endpoint of the internal subscriber `shop`."""
    body = {"subscriber": "shop", "url": INTERNAL_URL, "ordered": True}
    assert (await rig.put(f"/v1/endpoints/{name}", body)).is_success


async def waits_for(rig: Rig, name: str = "e") -> str | None:
    """The replay that live events of the endpoint wait for."""
    found: str | None = (await rig.get(f"/v1/endpoints/{name}")).json()["catch_up"]
    return found


async def finish(rig: Rig, replay_id: str) -> None:
    """As the worker does, before it clears the mark."""

    def complete(read: Replay) -> Replay:
        return msgspec.structs.replace(read, status="completed")

    await rig.services.replays.change(replay_id, complete)


@pytest.fixture(autouse=True)
async def endpoint(rig: Rig) -> None:
    """An ordered endpoint `e`."""
    await rig.internal("shop")
    await ordered(rig)


@pytest.mark.parametrize("mode", ["fill", "again"])
async def test_live_events_wait_for_it_from_the_answer_on(rig: Rig, mode: str) -> None:
    answer = await rig.post("/v1/replays", {**BODY, "mode": mode})
    assert answer.status_code == 202
    made = answer.json()
    assert (made["catch_up"], made["status"], rig.started) == (True, "queued", [made["id"]])
    assert await waits_for(rig) == made["id"]
    stored = await rig.services.replays.get(made["id"])
    assert stored is not None
    assert stored.catch_up


@pytest.mark.parametrize("until", [None, "2999-01-01T00:00:00Z"])
async def test_until_now_means_until_the_mark(rig: Rig, until: str | None) -> None:
    answer = await rig.post("/v1/replays", {**BODY, "until": until} if until else BODY)
    stored = await rig.services.replays.get(answer.json()["id"])
    assert stored is not None
    marked = await rig.services.registry.get_endpoint("e")
    assert marked is not None
    assert 0 <= stored.until_ms - marked.updated_ms < 60_000
    assert answer.json()["until"] == rfc3339.format_ms(stored.until_ms)


async def test_an_end_of_its_own_is_kept(rig: Rig) -> None:
    made = (await rig.post("/v1/replays", {**BODY, "until": "2026-01-02T00:00:00Z"})).json()
    assert made["until"] == "2026-01-02T00:00:00.000Z"


async def test_before_the_mark_it_is_shown_with_an_end(rig: Rig) -> None:
    found, _ = await stored(rig)
    new = Replay("rpl_2", 0, "e", found.number, 0, marks.AT_MARK, catch_up=True, created_ms=1_000)
    await rig.services.replays.create(new)
    assert (await rig.get("/v1/replays/rpl_2")).json()["until"] == "1970-01-01T00:00:01.000Z"


async def test_without_it_nothing_waits(rig: Rig) -> None:
    answer = await rig.post("/v1/replays", {"endpoint": "e", "since": SINCE})
    assert (answer.json()["catch_up"], await waits_for(rig)) == (False, None)


async def test_cancelling_lets_the_live_events_go(rig: Rig) -> None:
    made = (await rig.post("/v1/replays", BODY)).json()
    for _ in range(2):
        assert (await rig.post(f"/v1/replays/{made['id']}/cancel")).json()["status"] == "cancelled"
        assert await waits_for(rig) is None


async def test_cancelling_one_that_is_over_leaves_those_of_the_next(rig: Rig) -> None:
    first = (await rig.post("/v1/replays", BODY)).json()
    assert (await rig.post(f"/v1/replays/{first['id']}/cancel")).is_success
    second = (await rig.post("/v1/replays", BODY)).json()
    assert (await rig.post(f"/v1/replays/{first['id']}/cancel")).is_success
    assert await waits_for(rig) == second["id"]


async def test_one_at_a_time(rig: Rig) -> None:
    first = (await rig.post("/v1/replays", BODY)).json()
    refused = await rig.post("/v1/replays", BODY)
    assert code_of(refused) == (409, "catch_up_running")
    assert first["id"] in refused.json()["detail"]
    assert (await rig.post("/v1/replays", {"endpoint": "e", "since": SINCE})).status_code == 202
    await finish(rig, first["id"])
    second = await rig.post("/v1/replays", BODY)
    assert second.status_code == 202
    assert await waits_for(rig) == second.json()["id"]


async def test_of_two_at_once_one_is_taken(rig: Rig) -> None:
    answers = await asyncio.gather(*(rig.post("/v1/replays", BODY) for _ in range(5)))
    taken = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert len(taken) == 1
    assert {code_of(answer) for answer in answers if answer.status_code != 202} == {(409, "catch_up_running")}
    assert (await waits_for(rig), rig.started) == (taken[0], taken)
    unfinished = [one["id"] for one in (await rig.get("/v1/replays?status=queued")).json()["data"]]
    assert unfinished == taken


INVALID: list[tuple[dict[str, Any], set[str]]] = [
    ({"endpoint": "plain"}, {"catch_up"}),
    ({"dry_run": True}, {"catch_up"}),
    ({"endpoint": "plain", "dry_run": True, "rate": 0}, {"catch_up", "rate"}),
    ({"catch_up": "yes"}, {"catch_up"}),
    ({"catch_up": None}, {"catch_up"}),
    ({"endpoint": "none"}, {"endpoint"}),
]


@pytest.mark.parametrize(("body", "fields"), INVALID)
async def test_what_contradicts_it_is_named_and_nothing_is_stored(
    rig: Rig, body: dict[str, Any], fields: set[str]
) -> None:
    await rig.post("/v1/subscribers/shop/endpoints", {"id": "plain", "url": INTERNAL_URL})
    assert fields_of(await rig.post("/v1/replays", {**BODY, **body})) == fields
    assert (await rig.get("/v1/replays")).json()["data"] == []
    assert await waits_for(rig) is None


async def test_a_disabled_endpoint_is_refused_and_a_paused_one_is_not(rig: Rig) -> None:
    await rig.post("/v1/endpoints/e/disable")
    assert code_of(await rig.post("/v1/replays", BODY)) == (409, "endpoint_disabled")
    await rig.post("/v1/endpoints/e/enable")
    await rig.post("/v1/endpoints/e/pause")
    assert (await rig.post("/v1/replays", BODY)).status_code == 202


async def test_holding_what_an_internal_subscriber_gets_needs_admin(rig: Rig) -> None:
    manage = await rig.key("manage")
    assert code_of(await rig.post("/v1/replays", BODY, manage)) == (403, "forbidden")
    await rig.external("acme")
    body = {"id": "mine", "url": URL, "ordered": True}
    assert (await rig.post("/v1/subscribers/acme/endpoints", body, manage)).status_code == 201
    assert (await rig.post("/v1/replays", {**BODY, "endpoint": "mine"}, manage)).status_code == 202


async def stored(rig: Rig) -> tuple[Endpoint, Replay]:
    """The endpoint, and a replay that is stored but not begun."""
    found = await rig.services.registry.get_endpoint("e")
    assert found is not None
    new = Replay("rpl_1", 0, "e", found.number, 0, 10, catch_up=True)
    return found, await rig.services.replays.create(new)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ordered": False}, "changed_meanwhile"),
        ({"status": "disabled"}, "endpoint_disabled"),
        (None, "endpoint_deleted"),
    ],
)
async def test_an_endpoint_that_changes_meanwhile_leaves_a_cancelled_replay_and_no_mark(
    rig: Rig, change: dict[str, Any] | None, code: str
) -> None:
    _, replay = await stored(rig)
    await (rig.delete("/v1/endpoints/e") if change is None else rig.patch("/v1/endpoints/e", change))
    async with call_of(rig, "admin") as call:
        with pytest.raises(Problem) as refused:
            await catch_up.begin(call, replay)
    assert refused.value.code == code
    left = await rig.services.replays.get(replay.id)
    assert left is not None
    assert left.status == "cancelled"
    found = await rig.services.registry.get_endpoint("e")
    assert found is None or found.catch_up == ""


async def test_a_crash_before_the_mark_leaves_nothing_that_waits(rig: Rig) -> None:
    _, replay = await stored(rig)
    assert await waits_for(rig) is None
    assert (await rig.post(f"/v1/replays/{replay.id}/cancel")).status_code == 200
    assert (await rig.post("/v1/replays", BODY)).status_code == 202


async def test_a_mark_without_a_replay_is_not_in_the_way(rig: Rig) -> None:
    found, _ = await stored(rig)
    await rig.services.registry.update_endpoint(msgspec.structs.replace(found, catch_up="rpl_0"), found.revision)
    assert (await rig.post("/v1/replays", BODY)).status_code == 202
