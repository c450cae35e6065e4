"""From a body to an endpoint that may be stored."""

from gateway.api import endpoint_drafts as drafts
from gateway.api import endpoint_types as types
from gateway.store import endpoint_secrets
from receivers import generate_secret
from tests.support.api_rig import INTERNAL_URL, Rig


async def test_types_and_rules_are_judged_together(rig: Rig) -> None:
    body = {"url": "ftp://x", "event_types": ["a", "a"], "headers": {"Host": "x"}, "status": 5, "no": 1}
    found = await drafts.check(rig.services, body, types.WritableEndpoint, "internal", "p.")
    assert {error.field for error in found.errors} == {
        "p.url",
        "p.event_types[1]",
        "p.headers.Host",
        "p.status",
        "p.no",
    }


async def test_without_a_kind_nothing_is_said_of_the_url(rig: Rig) -> None:
    found = await drafts.check(rig.services, {"url": "ftp://x"}, types.WritableEndpoint, None)
    assert found.errors == []


async def test_ids_and_secrets_are_judged_for_new_ones_only(rig: Rig) -> None:
    body = {"url": INTERNAL_URL, "id": "ep_1", "secret": "x", "subscriber": "shop"}
    old = await drafts.check(rig.services, body, types.EndpointPut, "internal")
    new = await drafts.check_new(rig.services, body, types.EndpointPut, "internal")
    assert (old.errors, {error.field for error in new.errors}) == ([], {"id", "secret"})


async def test_a_draft_has_an_id_and_a_sealed_secret(rig: Rig) -> None:
    given = generate_secret()
    for secret, endpoint_id in ((None, None), (given, "e")):
        body = {"url": INTERNAL_URL, **({"secret": secret, "id": endpoint_id} if secret else {})}
        values, errors = await drafts.check_new(rig.services, body, types.NewEndpoint, "internal")
        assert errors == []
        draft = await drafts.new_endpoint(rig.services, values, "shop", "internal")
        assert draft.endpoint.id == endpoint_id or draft.endpoint.id.startswith("ep_")
        assert draft.secret == (secret or draft.secret)
        (sealed,) = draft.endpoint.secrets
        assert endpoint_secrets.text_of(rig.services.vault, draft.endpoint.id, sealed) == draft.secret
        assert draft.secret.encode() not in sealed.sealed


async def test_a_status_that_changes_is_the_operators_doing(rig: Rig) -> None:
    await rig.internal("shop", "e")
    old = await rig.services.registry.get_endpoint("e")
    assert old is not None
    values = {**drafts.writable_fields(old, {}), "status": "disabled"}
    disabled = await drafts.changed(rig.services, old, values)
    assert (disabled.disabled_reason, disabled.disabled_ms is not None) == ("operator", True)
    assert await drafts.changed(rig.services, disabled, values) == disabled
    enabled = await drafts.changed(rig.services, disabled, {**values, "status": "enabled"})
    assert enabled == old
