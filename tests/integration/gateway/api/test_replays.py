"""Replays, from outside: what may be asked, what is shown, who may cancel."""

from typing import Any

import msgspec
import pytest

from gateway.model.replay import Replay
from tests.support.api_rig import Rig, code_of, fields_of

SINCE = "2026-01-01T00:00:00Z"


async def make(rig: Rig, **fields: Any) -> Any:
    """A new replay to endpoint `e`."""
    answer = await rig.post("/v1/replays", {"endpoint": "e", "since": SINCE, **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_post_stores_it_and_queues_its_job(rig: Rig) -> None:
    await rig.internal("shop", "e")
    answer = await rig.post(
        "/v1/replays",
        {"endpoint": "e", "since": SINCE, "until": "2026-01-02T01:00:00+01:00", "event_types": ["order.*"],
         "mode": "again", "rate": 50, "dry_run": True},
    )  # fmt: skip
    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["location"] == f"/v1/replays/{made['id']}"
    assert rig.started == [made["id"]]
    assert made.pop("created_at") == made.pop("updated_at")
    assert made == {
        "id": made["id"], "endpoint": "e", "since": "2026-01-01T00:00:00.000Z", "until": "2026-01-02T00:00:00.000Z",
        "event_types": ["order.*"], "mode": "again", "rate": 50, "dry_run": True, "catch_up": False, "status": "queued",
        "total": 0, "sent": 0, "delivered": 0, "failed": 0, "error": None,
    }  # fmt: skip


async def test_until_is_the_end_of_the_log_by_default_and_at_most(rig: Rig) -> None:
    await rig.internal("shop", "e")
    by_default = await make(rig)
    later = await make(rig, until="2999-01-01T00:00:00Z")
    assert by_default["until"] <= later["until"] < "2999"
    assert (by_default["mode"], by_default["event_types"], by_default["rate"]) == ("fill", ["*"], None)


async def test_the_event_types_are_the_endpoint_s_by_default(rig: Rig) -> None:
    await rig.internal("shop", "e")
    await rig.patch("/v1/endpoints/e", {"event_types": ["order.*"]})
    assert (await make(rig))["event_types"] == ["order.*"]


async def test_progress_is_the_sum_of_the_partitions(rig: Rig) -> None:
    await rig.internal("shop", "e")
    made = await make(rig)
    for partition in rig.services.partitions:
        await rig.redis.hset(partition.replayed, mapping={"1:sent": 3, "1:delivered": 2, "1:failed": 1, "2:sent": 9})
    shown = (await rig.get(f"/v1/replays/{made['id']}")).json()
    assert (shown["sent"], shown["delivered"], shown["failed"]) == (12, 8, 4)
    assert (await rig.get("/v1/replays")).json()["data"] == [shown]


INVALID: list[tuple[dict[str, Any], set[str]]] = [
    ({"endpoint": "none"}, {"endpoint"}),
    ({"endpoint": None}, {"endpoint"}),
    ({"since": None}, {"since"}),
    ({"since": "yesterday", "until": "2026"}, {"since", "until"}),
    ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, {"since"}),
    ({"since": "2999-01-01T00:00:00Z"}, {"since"}),
    ({"event_types": []}, {"event_types"}),
    ({"event_types": ["a.**"]}, {"event_types[0]"}),
    ({"mode": "all"}, {"mode"}),
    ({"rate": 0}, {"rate"}),
    ({"rate": 10_001}, {"rate"}),
    ({"rate": 1.5, "dry_run": 1}, {"rate", "dry_run"}),
    ({"evnet_types": ["*"], "id": "rpl_1"}, {"evnet_types", "id"}),
]


@pytest.mark.parametrize(("body", "fields"), INVALID)
async def test_every_invalid_field_is_named_and_nothing_is_stored(
    rig: Rig, body: dict[str, Any], fields: set[str]
) -> None:
    await rig.internal("shop", "e")
    before = await rig.stored()
    assert fields_of(await rig.post("/v1/replays", {"endpoint": "e", "since": SINCE, **body})) == fields
    assert await rig.stored() == before
    assert rig.started == []


async def test_to_a_disabled_endpoint_only_counting_makes_sense(rig: Rig) -> None:
    await rig.internal("shop", "e")
    await rig.post("/v1/endpoints/e/disable")
    answer = await rig.post("/v1/replays", {"endpoint": "e", "since": SINCE})
    assert code_of(answer) == (409, "endpoint_disabled")
    assert (await make(rig, dry_run=True))["dry_run"] is True


async def test_cancel_once_twice_and_too_late(rig: Rig) -> None:
    await rig.internal("shop", "e")
    made = await make(rig)
    for _ in range(2):
        answer = await rig.post(f"/v1/replays/{made['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")

    def complete(read: Replay) -> Replay:
        return msgspec.structs.replace(read, status="completed")

    other = await make(rig)
    await rig.services.replays.change(other["id"], complete)
    assert code_of(await rig.post(f"/v1/replays/{other['id']}/cancel")) == (409, "replay_finished")
    assert code_of(await rig.post("/v1/replays/rpl_0/cancel")) == (404, "not_found")
    assert code_of(await rig.get("/v1/replays/rpl_0")) == (404, "not_found")


async def test_lists_filter_and_page(rig: Rig) -> None:
    await rig.internal("shop", "e", "f")
    made = [(await make(rig))["id"] for _ in range(3)]
    await make(rig, endpoint="f")
    await rig.post(f"/v1/replays/{made[0]}/cancel")

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await rig.get(f"/v1/replays?{query}")).json()["data"]]

    assert await ids("endpoint=e&order=asc") == sorted(made)
    assert await ids("status=cancelled") == [made[0]]
    page = (await rig.get("/v1/replays?endpoint=e&limit=2")).json()
    rest = await ids(f"endpoint=e&limit=2&cursor={page['next']}")
    assert sorted([item["id"] for item in page["data"]] + rest) == sorted(made)
    assert code_of(await rig.get("/v1/replays?status=done")) == (400, "invalid_parameter")


async def test_a_bound_key_sees_its_own_only(rig: Rig) -> None:
    await rig.external("acme", "mine")
    await rig.external("rival", "theirs")
    bound = await rig.key("read", "manage", subscriber="acme")
    theirs = await make(rig, endpoint="theirs")
    mine = await rig.post("/v1/replays", {"endpoint": "mine", "since": SINCE}, bound)
    assert mine.status_code == 202
    assert fields_of(await rig.post("/v1/replays", {"endpoint": "theirs", "since": SINCE}, bound)) == {"endpoint"}
    assert [item["id"] for item in (await rig.get("/v1/replays", bound)).json()["data"]] == [mine.json()["id"]]
    assert code_of(await rig.get(f"/v1/replays/{theirs['id']}", bound)) == (404, "not_found")
    assert code_of(await rig.post(f"/v1/replays/{theirs['id']}/cancel", None, bound)) == (404, "not_found")
    await rig.delete("/v1/endpoints/mine")
    assert (await rig.get(f"/v1/replays/{mine.json()['id']}", bound)).status_code == 200
