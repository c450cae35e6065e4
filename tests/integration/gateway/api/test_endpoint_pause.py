"""Pause and resume, from outside."""

import asyncio

import pytest

from gateway.ids import DeliveryKey
from gateway.model.delivery import Reason, Record, State
from gateway.store import connection, leases
from gateway.store.deliveries import Passed, Settle, Transition
from gateway.store.health import HealthReport
from tests.support.api_rig import Rig, code_of


async def hold(rig: Rig, endpoint: int, count: int) -> list[DeliveryKey]:
    """Events whose delivery to the endpoint is held, as an owner would record it."""
    partition = rig.services.partitions[1]
    lease = await leases.take(rig.redis, partition, "test", leases.Lease("", "", 0))
    assert lease is not None
    held = [DeliveryKey(number, 0, partition.number, endpoint) for number in range(1, count + 1)]
    settle = Settle(partition, lease.token, "0-0")
    for key in held:
        settle.transition(Transition(key, None, Record(State.HELD, Reason.PAUSED)))
        settle.passed(Passed(key.address, [endpoint]))
    assert (await settle.send(rig.redis)).code == "K"
    return held


async def test_pause_says_since_when_and_repeats(rig: Rig) -> None:
    await rig.internal("shop", "e")
    before = await connection.store_ms(rig.redis)
    first = await rig.post("/v1/endpoints/e/pause")
    assert first.status_code == 200
    assert (first.json()["status"], first.json()["disabled_reason"]) == ("paused", None)
    assert first.json()["held"] == {"count": 0, "oldest": None, "oldest_accepted_at": None}
    stored = await rig.services.registry.get_endpoint("e")
    assert stored is not None
    assert stored.paused_ms is not None
    assert stored.paused_ms >= before
    assert (await rig.post("/v1/endpoints/e/pause", {})).json() == first.json()
    assert (await rig.get("/v1/endpoints/e")).json() == first.json()


async def test_resume_enables_and_repeats(rig: Rig) -> None:
    await rig.internal("shop", "e")
    await rig.post("/v1/endpoints/e/pause")
    first = await rig.post("/v1/endpoints/e/resume")
    assert first.status_code == 200
    assert (first.json()["status"], first.json()["paused_at"]) == ("enabled", None)
    assert (await rig.post("/v1/endpoints/e/resume", {})).json() == first.json()


async def test_what_is_held_is_counted(rig: Rig) -> None:
    await rig.internal("shop", "e")
    endpoint = await rig.services.registry.get_endpoint("e")
    assert endpoint is not None
    await rig.post("/v1/endpoints/e/pause")
    held = await hold(rig, endpoint.number, 3)
    expected = {
        "count": 3,
        "oldest": held[0].delivery_id,
        "oldest_accepted_at": "1970-01-01T00:00:00.001Z",
    }
    for answer in (await rig.get("/v1/endpoints/e"), await rig.post("/v1/endpoints/e/resume")):
        assert answer.json()["held"] == expected
    assert "held" not in (await rig.get("/v1/endpoints")).json()["data"][0]


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_a_disabled_one_is_refused(rig: Rig, action: str) -> None:
    await rig.internal("shop", "e")
    await rig.post("/v1/endpoints/e/disable")
    assert code_of(await rig.post(f"/v1/endpoints/e/{action}")) == (409, "endpoint_disabled")
    assert (await rig.get("/v1/endpoints/e")).json()["status"] == "disabled"


async def test_enable_leaves_a_paused_one_alone_and_disable_ends_the_pause(rig: Rig) -> None:
    await rig.internal("shop", "e")
    paused = (await rig.post("/v1/endpoints/e/pause")).json()
    enabled = (await rig.post("/v1/endpoints/e/enable")).json()
    assert (enabled["status"], enabled["paused_at"]) == ("paused", paused["paused_at"])
    assert (enabled["disabled_since"], enabled["replay"]) == (None, None)
    disabled = (await rig.post("/v1/endpoints/e/disable")).json()
    assert (disabled["status"], disabled["disabled_reason"], disabled["paused_at"]) == ("disabled", "operator", None)


async def test_the_status_can_be_given_like_any_other(rig: Rig) -> None:
    await rig.internal("shop", "e")
    paused = (await rig.patch("/v1/endpoints/e", {"status": "paused"})).json()
    assert (paused["status"], paused["paused_at"] is not None) == ("paused", True)
    kept = (await rig.patch("/v1/endpoints/e", {"description": "x"})).json()
    assert kept["paused_at"] == paused["paused_at"]
    assert (await rig.patch("/v1/endpoints/e", {"status": None})).json()["paused_at"] is None
    await rig.post("/v1/endpoints/e/disable")
    paused = (await rig.patch("/v1/endpoints/e", {"status": "paused"})).json()
    assert (paused["status"], paused["disabled_reason"]) == ("paused", None)


async def test_lists_by_status(rig: Rig) -> None:
    await rig.internal("shop", "a", "b")
    await rig.post("/v1/endpoints/b/pause")
    for path, names in (("status=paused", ["b"]), ("status=enabled", ["a"]), ("status=disabled", [])):
        for base in ("/v1/endpoints", "/v1/subscribers/shop/endpoints"):
            assert [one["id"] for one in (await rig.get(f"{base}?{path}")).json()["data"]] == names


async def test_resume_forgets_the_failures_of_before(rig: Rig) -> None:
    await rig.internal("shop", "e")
    endpoint = await rig.services.registry.get_endpoint("e")
    assert endpoint is not None
    await rig.services.health.report([HealthReport(endpoint.number, "e", 0, 3, 1_000, 0)], 10**9, 2_000)
    paused = (await rig.post("/v1/endpoints/e/pause")).json()
    assert (paused["health"]["consecutive_failures"], paused["health"]["disables_at"]) == (3, None)
    assert (await rig.post("/v1/endpoints/e/resume")).json()["health"]["failing_since"] is None


async def test_many_at_once_end_in_one_state(rig: Rig) -> None:
    await rig.internal("shop", "e")
    answers = await asyncio.gather(*(rig.post("/v1/endpoints/e/pause") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"paused"}
    stored = await rig.services.registry.get_endpoint("e")
    assert stored is not None
    assert stored.revision == 2


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_who_may_and_what_is_sent(rig: Rig, action: str) -> None:
    await rig.internal("shop", "e")
    await rig.external("acme", "mine")
    path = f"/v1/endpoints/e/{action}"
    assert code_of(await rig.post(path, {"x": 1})) == (400, "malformed_json")
    assert code_of(await rig.post(f"/v1/endpoints/none/{action}")) == (404, "not_found")
    assert code_of(await rig.post(path, None, await rig.key("read"))) == (403, "forbidden")
    assert code_of(await rig.post(path, None, await rig.key("manage"))) == (403, "forbidden")
    bound = await rig.key("manage", subscriber="acme")
    assert code_of(await rig.post(path, None, bound)) == (404, "not_found")
    assert (await rig.post(f"/v1/endpoints/mine/{action}", None, bound)).status_code == 200
