"""Formats and signatures of an endpoint over the API: kept, shown, changed; the profile's own secret never shown."""

from typing import Any

import pytest

from gateway.model.secret import of_kind
from gateway.store.endpoint_secrets import texts_of
from tests.support.api_rig import INTERNAL_URL, Rig, fields_of

HMAC = {
    "kind": "hmac", "header": "X-Sig", "algorithm": "sha1", "encoding": "base64", "prefix": "a=",
    "key_encoding": "utf8", "timestamp": {"header": "X-Time", "separator": ":", "prefix": "v0:"},
}  # fmt: skip
PATH = "/v1/endpoints/e"


async def make(rig: Rig, **body: Any) -> Any:
    answer = await rig.post("/v1/subscribers/shop/endpoints", {"id": "e", "url": INTERNAL_URL, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture(autouse=True)
async def shop(rig: Rig) -> None:
    await rig.internal("shop")


async def own_secret(rig: Rig) -> str | None:
    found = await rig.services.registry.get_endpoint("e")
    assert found is not None
    own = of_kind(found.secrets, "profile")
    return texts_of(rig.services.vault, found)[own[0].id] if own else None


async def test_defaults(rig: Rig) -> None:
    made = await make(rig)
    assert (made["format"], made["signatures"], made["signature_profile"]) == ("standard", ["v1"], None)


async def test_everything_is_kept_and_shown(rig: Rig) -> None:
    given = {"format": "cloudevents", "signatures": ["v1", "v1a"], "signature_profile": HMAC}
    made = await make(rig, **given)
    assert made["public_key"].startswith("whpk_")
    shown = (await rig.get(PATH)).json()
    assert {name: shown[name] for name in given} == given
    again = await rig.put(PATH, shown)
    assert again.status_code == 200
    assert again.json()["updated_at"] == shown["updated_at"], "nothing was changed"


async def test_the_profiles_own_secret_is_kept_sealed_and_never_shown(rig: Rig) -> None:
    given = "It's a Secret to Everybody"
    answer = await rig.post(
        "/v1/subscribers/shop/endpoints",
        {"id": "e", "url": INTERNAL_URL, "signature_profile": {"kind": "github", "secret": given}},
    )
    assert answer.json()["signature_profile"] == {"kind": "github", "secret": "***"}
    assert await own_secret(rig) == given
    for path in (PATH, f"{PATH}/secret"):
        assert given not in (await rig.get(path)).text
    shown = (await rig.get(PATH)).json()
    assert (await rig.put(PATH, shown)).json()["updated_at"] == shown["updated_at"]
    assert await own_secret(rig) == given


async def test_a_patch_changes_the_own_secret_and_removes_it(rig: Rig) -> None:
    await make(rig, signature_profile={**HMAC, "secret": "first"})
    changed = await rig.patch(PATH, {"signature_profile": {"prefix": "b="}})
    assert changed.json()["signature_profile"] == {**HMAC, "prefix": "b=", "secret": "***"}
    assert await own_secret(rig) == "first"
    await rig.patch(PATH, {"signature_profile": {"secret": "second"}})
    assert await own_secret(rig) == "second"
    other = await rig.patch(PATH, {"signature_profile": {"kind": "stripe"}})
    assert other.json()["signature_profile"] == {"kind": "stripe"}
    assert await own_secret(rig) is None
    gone = await rig.patch(PATH, {"signature_profile": None})
    assert gone.json()["signature_profile"] is None


async def test_null_takes_the_own_secret_away(rig: Rig) -> None:
    await make(rig, signature_profile={**HMAC, "secret": "first"})
    without = await rig.patch(PATH, {"signature_profile": {"secret": None}})
    assert without.json()["signature_profile"] == HMAC
    assert await own_secret(rig) is None


async def test_asterisks_stand_for_a_secret_that_is_there(rig: Rig) -> None:
    body = {"id": "e", "url": INTERNAL_URL, "signature_profile": {"kind": "stripe", "secret": "***"}}
    refused = await rig.post("/v1/subscribers/shop/endpoints", body)
    assert fields_of(refused) == {"signature_profile.secret"}
    assert await rig.services.registry.get_endpoint("e") is None


async def test_a_secret_that_is_kept_must_be_a_key_in_its_encoding(rig: Rig) -> None:
    await make(rig, signature_profile={**HMAC, "secret": "no hex"})
    assert fields_of(await rig.patch(PATH, {"signature_profile": {"key_encoding": "hex"}})) == {
        "signature_profile.secret"
    }


async def test_headers_and_profile_are_judged_together_whichever_is_changed(rig: Rig) -> None:
    await make(rig, headers={"X-Time": "1", "ce-id": "2"})
    assert fields_of(await rig.patch(PATH, {"signature_profile": HMAC})) == {"headers.X-Time"}
    assert fields_of(await rig.patch(PATH, {"format": "cloudevents-binary"})) == {"headers.ce-id"}
    assert (await rig.patch(PATH, {"signature_profile": HMAC, "headers": {"X-Time": None}})).status_code == 200


async def test_a_subscribers_first_endpoints_are_judged_too(rig: Rig) -> None:
    inline = [{"url": INTERNAL_URL}, {"url": INTERNAL_URL, "signature_profile": {"kind": "hmac"}, "signatures": []}]
    refused = await rig.post("/v1/subscribers", {"kind": "internal", "endpoints": inline})
    assert fields_of(refused) == {"endpoints[1].signature_profile.header", "endpoints[1].signatures"}
