"""Endpoints as the caller may see them."""

import pytest

from gateway.api.endpoint_views import show, show_many
from gateway.model.api_key import Scope
from gateway.store.health import HealthReport
from tests.integration.gateway.api.calls import call_of
from tests.support.api_rig import Rig


@pytest.mark.parametrize(("scope", "value"), [("read", "***"), ("manage", "secret"), ("admin", "secret")])
async def test_header_values_are_for_who_may_change_them(rig: Rig, scope: Scope, value: str) -> None:
    await rig.external("acme", "e")
    await rig.patch("/v1/endpoints/e", {"headers": {"x": "secret"}})
    endpoint = await rig.services.registry.get_endpoint("e")
    assert endpoint is not None
    async with call_of(rig, scope) as call:
        assert (await show(call, endpoint))["headers"] == {"x": value}


async def test_many_are_shown_in_their_order_with_their_own_health(rig: Rig) -> None:
    await rig.external("acme", "a", "b")
    first, second = await rig.services.registry.list_endpoints()
    report = HealthReport(second.number, second.id, 0, 2, 1_000, 0, None)
    await rig.services.health.report([report], 10**9, 2_000)
    async with call_of(rig, "read") as call:
        shown = await show_many(call, [second, first])
        assert [view["id"] for view in shown] == [second.id, first.id]
        assert [view["health"].consecutive_failures for view in shown] == [2, 0]
        assert await show_many(call, []) == []
