"""What a key may see and change."""

import pytest

from gateway.api import access
from gateway.api.call import Call
from gateway.model.api_key import Scope
from gateway.problems import Problem
from tests.integration.gateway.api.calls import call_of
from tests.support.api_rig import Rig


async def code_of(call: Call, what: str, identifier: str) -> str:
    """The problem of looking for an object."""
    with pytest.raises(Problem) as caught:
        await getattr(access, what)(call, identifier)
    return f"{caught.value.code}: {caught.value.detail}"


async def test_who_is_not_bound_sees_everything(rig: Rig) -> None:
    await rig.external("acme", "e")
    async with call_of(rig, "read") as call:
        assert (await access.subscriber(call, "acme")).id == "acme"
        assert (await access.endpoint(call, "e")).id == "e"


async def test_hidden_and_missing_are_the_same(rig: Rig) -> None:
    await rig.external("acme", "mine")
    await rig.external("rival", "theirs")
    async with call_of(rig, "admin", subscriber="acme") as call:
        assert (await access.endpoint(call, "mine")).subscriber == "acme"
        for what, hidden in (("subscriber", "rival"), ("endpoint", "theirs")):
            assert await code_of(call, what, hidden) == f"not_found: no {what} with id {hidden}"
            assert await code_of(call, what, "none") == f"not_found: no {what} with id none"


@pytest.mark.parametrize(("scope", "allowed"), [("manage", False), ("read", False), ("admin", True)])
async def test_what_gets_every_event_is_changed_by_admins(rig: Rig, scope: Scope, allowed: bool) -> None:
    async with call_of(rig, scope) as call:
        access.require_change(call, "external")
        if allowed:
            access.require_change(call, "internal")
        else:
            with pytest.raises(Problem, match="needs the scope admin"):
                access.require_change(call, "internal")
