"""The delivery policy of an endpoint, from outside."""

from typing import Any

import msgspec
import pytest

from tests.support.api_rig import INTERNAL_URL, Rig, fields_of

ENDPOINTS = "/v1/subscribers/shop/endpoints"
DEFAULTS: dict[str, Any] = {
    "retry_schedule": None, "deadline_seconds": None, "max_in_flight": None, "rate": None, "ordered": False,
    "on_failure": "block", "status": "enabled", "filter": None,
}  # fmt: skip
GIVEN: dict[str, Any] = {
    "retry_schedule": [5, 60], "deadline_seconds": 1, "max_in_flight": 1,
    "rate": {"per_second": 100_000.0, "burst": 1}, "ordered": True, "on_failure": "skip", "status": "paused",
    "filter": 'data.amount > 100 && subject.startsWith("eu/")',
}  # fmt: skip


async def policy(rig: Rig) -> dict[str, Any]:
    """What is shown of the policy."""
    shown = (await rig.get("/v1/endpoints/e")).json()
    return {name: shown[name] for name in DEFAULTS}


@pytest.mark.parametrize("way", ["post", "put", "inline", "patch"])
async def test_every_field_can_be_given_in_every_way(rig: Rig, way: str) -> None:
    await rig.internal("shop")
    if way == "post":
        answer = await rig.post(ENDPOINTS, {"id": "e", "url": INTERNAL_URL, **GIVEN})
    elif way == "put":
        answer = await rig.put("/v1/endpoints/e", {"subscriber": "shop", "url": INTERNAL_URL, **GIVEN})
    elif way == "inline":
        inline = {"id": "e", "url": INTERNAL_URL, **GIVEN}
        answer = await rig.post("/v1/subscribers", {"id": "two", "kind": "internal", "endpoints": [inline]})
    else:
        await rig.post(ENDPOINTS, {"id": "e", "url": INTERNAL_URL})
        answer = await rig.patch("/v1/endpoints/e", GIVEN)
    assert answer.is_success, answer.text
    assert await policy(rig) == GIVEN


async def test_null_in_a_patch_is_the_default_of_every_field(rig: Rig) -> None:
    await rig.internal("shop")
    await rig.post(ENDPOINTS, {"id": "e", "url": INTERNAL_URL, **GIVEN})
    for name, default in DEFAULTS.items():
        assert (await rig.patch("/v1/endpoints/e", {name: None})).json()[name] == default
    assert await policy(rig) == DEFAULTS


async def test_what_a_put_leaves_out_is_the_default(rig: Rig) -> None:
    await rig.internal("shop")
    await rig.post(ENDPOINTS, {"id": "e", "url": INTERNAL_URL, **GIVEN})
    assert (await rig.put("/v1/endpoints/e", {"url": INTERNAL_URL})).status_code == 200
    assert await policy(rig) == DEFAULTS


async def test_a_rate_is_merged_member_by_member(rig: Rig) -> None:
    await rig.internal("shop")
    await rig.post(ENDPOINTS, {"id": "e", "url": INTERNAL_URL, "rate": {"per_second": 2.5}})

    async def patched(rate: Any) -> Any:
        return (await rig.patch("/v1/endpoints/e", {"rate": rate})).json()["rate"]

    assert (await policy(rig))["rate"] == {"per_second": 2.5, "burst": 3}
    assert await patched({"burst": 9}) == {"per_second": 2.5, "burst": 9}
    assert await patched({"per_second": 20}) == {"per_second": 20, "burst": 9}
    assert await patched({"burst": None}) == {"per_second": 20, "burst": 20}
    assert fields_of(await rig.patch("/v1/endpoints/e", {"rate": {"per_second": None}})) == {"rate.per_second"}
    assert await patched(None) is None
    assert fields_of(await rig.patch("/v1/endpoints/e", {"rate": {"burst": 2}})) == {"rate.per_second"}


async def test_no_filter_is_null_however_it_is_said(rig: Rig) -> None:
    await rig.internal("shop", "e")
    for given in ("", None):
        assert (await rig.patch("/v1/endpoints/e", {"filter": "data.a == 1"})).json()["filter"] == "data.a == 1"
        assert (await rig.patch("/v1/endpoints/e", {"filter": given})).json()["filter"] is None
        stored = await rig.services.registry.get_endpoint("e")
        assert stored is not None
        assert stored.filter == ""


async def test_a_filter_is_refused_with_the_reason(rig: Rig) -> None:
    await rig.internal("shop", "e")
    answer = await rig.patch("/v1/endpoints/e", {"filter": "amount > 100"})
    assert fields_of(answer) == {"filter"}
    (error,) = answer.json()["errors"]
    assert error["value"] == "amount > 100"
    assert "amount" in error["reason"]
    assert (await rig.get("/v1/endpoints/e")).json()["filter"] is None


async def test_an_error_names_field_value_and_way_out(rig: Rig) -> None:
    await rig.internal("shop", "e")
    body = {"deadline_seconds": 301, "rate": {"per_second": 0}, "on_failure": "stop"}
    answer = (await rig.patch("/v1/endpoints/e", body)).json()
    assert answer["errors"] == [
        {"field": "deadline_seconds", "reason": "expected `int` <= 300", "value": 301},
        {"field": "rate.per_second", "reason": "expected `float` > 0.0", "value": 0},
        {"field": "on_failure", "reason": "expected one of 'block', 'skip'", "value": "stop"},
    ]
    assert answer["way_out"]


async def test_an_endpoint_that_is_not_ordered_any_more_waits_for_no_replay(rig: Rig) -> None:
    await rig.internal("shop")
    await rig.post(ENDPOINTS, {"id": "e", "url": INTERNAL_URL, "ordered": True})
    old = await rig.services.registry.get_endpoint("e")
    assert old is not None
    await rig.services.registry.update_endpoint(msgspec.structs.replace(old, catch_up="rpl_1"), old.revision)
    kept = (await rig.patch("/v1/endpoints/e", {"description": "x"})).json()
    assert (kept["catch_up"], kept["ordered"]) == ("rpl_1", True)
    assert (await rig.put("/v1/endpoints/e", {**kept, "max_in_flight": 3})).json()["catch_up"] == "rpl_1"
    assert (await rig.patch("/v1/endpoints/e", {"ordered": False})).json()["catch_up"] is None
