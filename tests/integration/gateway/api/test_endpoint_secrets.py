"""Rotation of secrets, and what is said of the live ones."""

import asyncio
from typing import Any

import pytest

from gateway.model.endpoint import Endpoint
from gateway.store import errors
from gateway.store.endpoint_secrets import texts_of
from receivers import generate_private_key, generate_secret
from receivers.secrets import public_key_of
from tests.support.api_rig import Rig, code_of, fields_of

SECRET = "/v1/endpoints/e/secret"
DAY_MS = 86_400_000


@pytest.fixture
async def endpoint(rig: Rig) -> str:
    """The secret of the endpoint `e`."""
    await rig.internal("shop", "e")
    return str((await shown(rig))["secret"])


async def shown(rig: Rig) -> Any:
    answer = await rig.get(SECRET)
    assert answer.status_code == 200
    return answer.json()


async def rotate(rig: Rig, **body: Any) -> Any:
    answer = await rig.post(f"{SECRET}/rotate", body or None)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def stored(rig: Rig) -> Endpoint:
    found = await rig.services.registry.get_endpoint("e")
    assert found is not None
    return found


async def test_a_new_endpoint_has_one_secret_that_does_not_end(rig: Rig, endpoint: str) -> None:
    told = await shown(rig)
    (only,) = told["secrets"]
    assert (told["secret"], told["public_key"]) == (endpoint, None)
    assert (only["kind"], only["expires_at"], only["public_key"]) == ("v1", None, None)
    assert only["id"].startswith("sec_")


async def test_rotated_without_a_body_the_old_one_signs_for_a_day(rig: Rig, endpoint: str) -> None:
    before = await shown(rig)
    told = await rotate(rig)
    assert told["secret"].startswith("whsec_")
    assert told["secret"] != endpoint
    new, old = told["secrets"]
    assert (new["expires_at"], old["id"]) == (None, before["secrets"][0]["id"])
    held = await stored(rig)
    assert held.secrets[1].expires_ms == held.secrets[0].created_ms + DAY_MS
    assert list(texts_of(rig.services.vault, held).values()) == [told["secret"], endpoint]
    assert await shown(rig) == told


async def test_at_once_only_the_new_one_is_left(rig: Rig, endpoint: str) -> None:
    await rotate(rig, overlap_seconds=60)
    told = await rotate(rig, overlap_seconds=0)
    assert [one["expires_at"] for one in told["secrets"]] == [None]
    assert len((await stored(rig)).secrets) == 1


async def test_a_fourth_is_refused_with_the_way_out(rig: Rig, endpoint: str) -> None:
    await rotate(rig)
    third = await rotate(rig)
    assert len(third["secrets"]) == 3
    refused = await rig.post(f"{SECRET}/rotate")
    assert code_of(refused) == (409, "too_many_secrets")
    assert third["secrets"][2]["expires_at"] in refused.json()["detail"]
    assert "overlap_seconds" in refused.json()["way_out"]
    assert await shown(rig) == third
    assert len((await rotate(rig, overlap_seconds=0))["secrets"]) == 1


async def test_an_expired_secret_is_not_shown_and_makes_room(
    rig: Rig, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rotate(rig, overlap_seconds=60)
    await rotate(rig, overlap_seconds=120)
    later = rig.services.clock.wall_ms() + 61_000
    monkeypatch.setattr(type(rig.services.clock), "wall_ms", lambda _clock: later)
    assert len((await shown(rig))["secrets"]) == 2
    assert len((await stored(rig)).secrets) == 3, "nothing was written for it to end"
    assert len((await rotate(rig))["secrets"]) == 3
    assert len((await stored(rig)).secrets) == 3


async def test_a_secret_of_ones_own_may_be_handed_in_again(rig: Rig, endpoint: str) -> None:
    given = generate_secret()
    told = await rotate(rig, secret=given, overlap_seconds=60)
    assert told["secret"] == given
    assert await rotate(rig, secret=given, overlap_seconds=60) == told
    assert fields_of(await rig.post(f"{SECRET}/rotate", {"secret": endpoint})) == {"secret"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"secret": "whsec_short"}, "secret"),
        ({"secret": public_key_of(generate_private_key())}, "secret"),
        ({"secret": generate_private_key()}, "secret"),
        ({"secret": generate_secret(), "kind": "v1a"}, "kind"),
        ({"kind": "v1a"}, "kind"),
        ({"kind": "v2"}, "kind"),
        ({"overlap_seconds": -1}, "overlap_seconds"),
        ({"overlap": 1}, "overlap"),
    ],
)
async def test_what_cannot_be_is_named_and_nothing_is_stored(
    rig: Rig, endpoint: str, body: dict[str, Any], named: str
) -> None:
    refused = await rig.post(f"{SECRET}/rotate", body)
    assert fields_of(refused) == {named}
    assert str(body.get("secret", "whsec_x")) not in refused.text
    assert (await stored(rig)).revision == 1


async def test_both_versions_are_rotated_unless_one_is_named(rig: Rig, endpoint: str) -> None:
    both = (await rig.patch("/v1/endpoints/e", {"signatures": ["v1a", "v1"]})).json()
    assert both["signatures"] == ["v1", "v1a"]
    assert both["public_key"].startswith("whpk_")
    first = await shown(rig)
    assert [one["kind"] for one in first["secrets"]] == ["v1", "v1a"]
    assert first["secrets"][1]["public_key"] == both["public_key"] == first["public_key"]
    told = await rotate(rig)
    assert [one["kind"] for one in told["secrets"]] == ["v1", "v1", "v1a", "v1a"]
    assert told["public_key"] == told["secrets"][2]["public_key"] != both["public_key"]
    only = await rotate(rig, kind="v1a", overlap_seconds=0)
    assert [one["kind"] for one in only["secrets"]] == ["v1", "v1", "v1a"]
    assert only["secret"] == told["secret"]
    given = generate_private_key()
    assert (await rotate(rig, secret=given, overlap_seconds=0))["public_key"] == public_key_of(given)
    assert "whsk_" not in (await rig.get(SECRET)).text


async def test_the_ed25519_key_is_made_when_first_wanted_and_kept(rig: Rig, endpoint: str) -> None:
    assert (await rig.get("/v1/endpoints/e")).json()["public_key"] is None
    made = (await rig.patch("/v1/endpoints/e", {"signatures": ["v1a"]})).json()["public_key"]
    assert (await rig.patch("/v1/endpoints/e", {"signatures": None})).json()["signatures"] == ["v1"]
    assert (await rig.patch("/v1/endpoints/e", {"signatures": ["v1", "v1a"]})).json()["public_key"] == made


async def test_rotations_at_the_same_time_all_happen_or_are_refused(rig: Rig, endpoint: str) -> None:
    answers = await asyncio.gather(*(rig.post(f"{SECRET}/rotate", {"overlap_seconds": 60}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409]
    told = await shown(rig)
    won = [answer.json()["secret"] for answer in answers if answer.status_code == 200]
    assert told["secret"] in won
    assert {*won, endpoint} == set(texts_of(rig.services.vault, await stored(rig)).values())


async def test_a_conflict_does_not_make_a_second_secret(
    rig: Rig, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, tried = rig.services.registry.update_endpoint, list[str]()

    async def late(new: Endpoint, expected_revision: int) -> Endpoint:
        tried.append(new.secrets[0].id)
        if len(tried) < 3:
            raise errors.Conflict("endpoint", new.id)
        return await update(new, expected_revision)

    monkeypatch.setattr(rig.services.registry, "update_endpoint", late)
    told = await rotate(rig)
    assert tried == [told["secrets"][0]["id"]] * 3


async def test_who_may_rotate(rig: Rig) -> None:
    await rig.internal("shop", "e")
    await rig.external("acme", "x")
    manager = await rig.key("manage")
    assert code_of(await rig.post(f"{SECRET}/rotate", {}, await rig.key("read"))) == (403, "forbidden")
    assert code_of(await rig.post(f"{SECRET}/rotate", {}, manager)) == (403, "forbidden")
    assert (await rig.post("/v1/endpoints/x/secret/rotate", {}, manager)).status_code == 200
    bound = await rig.key("manage", subscriber="acme")
    assert (await rig.post("/v1/endpoints/x/secret/rotate", {}, bound)).status_code == 200
    assert code_of(await rig.post(f"{SECRET}/rotate", {}, bound)) == (404, "not_found")
    assert code_of(await rig.post("/v1/endpoints/none/secret/rotate", {})) == (404, "not_found")
