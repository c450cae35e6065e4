"""Endpoints, from outside."""

from typing import Any

import msgspec

from receivers import generate_secret
from tests.support.api_rig import INTERNAL_URL, URL, Rig, code_of, fields_of

ENDPOINTS = "/v1/subscribers/shop/endpoints"
SHOWN = {
    "id", "subscriber", "url", "event_types", "filter",
    "description", "metadata", "status", "disabled_reason", "paused_at",
    "retry_schedule", "deadline_seconds", "max_in_flight", "rate", "ordered", "on_failure", "catch_up", "headers",
    "format", "signatures", "signature_profile", "public_key", "health", "filter_errors", "created_at",
    "updated_at",
}  # fmt: skip
NONE_HELD = {"count": 0, "oldest": None, "oldest_accepted_at": None}


async def make(rig: Rig, body: dict[str, Any]) -> Any:
    """A new endpoint of the internal subscriber `shop`."""
    answer = await rig.post(ENDPOINTS, {"url": INTERNAL_URL, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_post_makes_one_with_defaults_and_shows_the_secret_once(rig: Rig) -> None:
    await rig.internal("shop")
    answer = await rig.post(ENDPOINTS, {"id": "payments", "url": INTERNAL_URL})
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/endpoints/payments")
    made = answer.json()
    assert set(made) == SHOWN | {"secret"}
    assert made["secret"].startswith("whsec_")
    assert (made["event_types"], made["status"], made["disabled_reason"]) == (["*"], "enabled", None)
    assert (made["retry_schedule"], made["headers"], made["metadata"], made["description"]) == (None, {}, {}, "")
    assert made["health"] == {
        "consecutive_failures": 0,
        "failing_since": None,
        "last_success_at": None,
        "last_failure": None,
        "disables_at": None,
    }
    shown = (await rig.get("/v1/endpoints/payments")).json()
    assert set(shown) == SHOWN | {"held"}
    assert shown["held"] == NONE_HELD
    secret = await rig.get("/v1/endpoints/payments/secret")
    assert secret.json()["secret"] == made["secret"]
    assert secret.headers["cache-control"] == "no-store"


async def test_the_secret_is_given_encrypted_and_needs_manage(rig: Rig) -> None:
    await rig.internal("shop")
    given = generate_secret()
    made = await make(rig, {"id": "payments", "secret": given})
    assert made["secret"] == given
    stored = await rig.services.registry.get_endpoint("payments")
    assert stored is not None
    assert given.encode() not in stored.secrets[0].sealed
    assert code_of(await rig.get("/v1/endpoints/payments/secret", await rig.key("read"))) == (403, "forbidden")
    assert (await rig.get("/v1/endpoints/payments/secret", await rig.key("manage"))).json()["secret"] == given


async def test_everything_that_may_be_given_is_kept(rig: Rig) -> None:
    await rig.internal("shop")
    given = {
        "url": INTERNAL_URL,
        "event_types": ["order.*", "hookline.endpoint.disabled"],
        "description": "two\nlines",
        "metadata": {"team": ["a", {"b": None}]},
        "status": "disabled",
        "retry_schedule": [1, 604_800],
        "deadline_seconds": 300,
        "max_in_flight": 10_000,
        "rate": {"per_second": 0.1, "burst": 7},
        "ordered": True,
        "on_failure": "skip",
        "headers": {"Authorization": "Bearer abc def", "X-Tenant": "7"},
    }
    made = await make(rig, given)
    assert {name: made[name] for name in given} == given
    assert made["disabled_reason"] == "operator"


async def test_an_external_subscriber_gets_public_https_only(rig: Rig) -> None:
    await rig.external("acme")
    for url in (INTERNAL_URL, "http://example.com/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/"):
        assert fields_of(await rig.post("/v1/subscribers/acme/endpoints", {"url": url})) == {"url"}
    assert (await rig.post("/v1/subscribers/acme/endpoints", {"url": URL})).status_code == 201


async def test_the_id_exists_and_the_subscriber_does_not(rig: Rig) -> None:
    await rig.internal("shop", "payments")
    assert code_of(await rig.post(ENDPOINTS, {"id": "payments", "url": INTERNAL_URL})) == (409, "already_exists")
    assert code_of(await rig.post("/v1/subscribers/none/endpoints", {"url": URL})) == (404, "not_found")


async def test_put_makes_then_replaces_but_never_the_secret(rig: Rig) -> None:
    await rig.internal("shop")
    full = {"subscriber": "shop", "url": INTERNAL_URL, "headers": {"x": "1"}, "description": "d"}
    made = await rig.put("/v1/endpoints/payments", full)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/endpoints/payments")
    secret = made.json()["secret"]
    replaced = await rig.put("/v1/endpoints/payments", {"url": INTERNAL_URL + "2", "id": "payments"})
    assert replaced.status_code == 200
    assert set(replaced.json()) == SHOWN
    assert (replaced.json()["headers"], replaced.json()["description"]) == ({}, "")
    assert (await rig.get("/v1/endpoints/payments/secret")).json()["secret"] == secret
    again = {"url": INTERNAL_URL, "secret": secret}
    assert (await rig.put("/v1/endpoints/payments", again)).status_code == 200
    wrong = {"url": INTERNAL_URL, "secret": generate_secret(), "subscriber": "other", "id": "x"}
    assert fields_of(await rig.put("/v1/endpoints/payments", wrong)) == {"secret", "subscriber", "id"}


async def test_put_of_a_new_one_needs_its_subscriber(rig: Rig) -> None:
    assert fields_of(await rig.put("/v1/endpoints/new", {"url": URL})) == {"subscriber"}
    assert fields_of(await rig.put("/v1/endpoints/new", {"url": URL, "subscriber": "none"})) == {"subscriber"}
    assert fields_of(await rig.put("/v1/endpoints/ep_1", {"subscriber": "none"})) == {"id", "subscriber", "url"}


async def test_patch_merges_and_null_is_the_default(rig: Rig) -> None:
    await rig.internal("shop")
    await make(rig, {"id": "e", "headers": {"a": "1", "b": "2"}, "retry_schedule": [5], "event_types": ["a.*"]})
    changed = (await rig.patch("/v1/endpoints/e", {"headers": {"a": None, "c": "3"}, "description": "new"})).json()
    assert (changed["headers"], changed["description"]) == ({"b": "2", "c": "3"}, "new")
    assert changed["retry_schedule"] == [5]
    cleared = (await rig.patch("/v1/endpoints/e", {"retry_schedule": None, "event_types": None})).json()
    assert (cleared["retry_schedule"], cleared["event_types"]) == (None, ["*"])
    assert fields_of(await rig.patch("/v1/endpoints/e", {"url": None, "secret": "x"})) == {"url", "secret"}
    assert (await rig.patch("/v1/endpoints/e", {})).json() == cleared


async def test_status_changes_with_put_and_patch(rig: Rig) -> None:
    await rig.internal("shop", "e")
    disabled = (await rig.patch("/v1/endpoints/e", {"status": "disabled"})).json()
    assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "operator")
    kept = (await rig.patch("/v1/endpoints/e", {"description": "x"})).json()
    assert kept["disabled_reason"] == "operator"
    enabled = (await rig.put("/v1/endpoints/e", {"url": INTERNAL_URL})).json()
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)


async def test_lists_filter_and_refuse_what_they_do_not_know(rig: Rig) -> None:
    await rig.internal("shop", "a", "b")
    await rig.external("acme", "c")
    await rig.post("/v1/endpoints/b/disable")

    async def ids(path: str) -> list[str]:
        return [item["id"] for item in (await rig.get(path)).json()["data"]]

    assert set(await ids("/v1/endpoints")) == {"a", "b", "c"}
    assert set(await ids("/v1/endpoints?subscriber=shop")) == {"a", "b"}
    assert await ids("/v1/endpoints?subscriber=shop&status=disabled") == ["b"]
    assert await ids("/v1/subscribers/acme/endpoints?status=enabled") == ["c"]
    assert await ids("/v1/endpoints?subscriber=none") == []
    for query in ("status=x", "limit=0", "limit=-1", "limit=1e9", "limit=201", "order=up", "stauts=enabled", "status="):
        assert code_of(await rig.get(f"/v1/endpoints?{query}")) == (400, "invalid_parameter")
    for path in ("/v1/endpoints?cursor=abc", "/v1/endpoints?cursor=%C3%A4"):
        assert code_of(await rig.get(path)) == (400, "invalid_cursor")
    cursor = (await rig.get("/v1/endpoints?limit=1")).json()["next"]
    assert code_of(await rig.get(f"/v1/endpoints?status=enabled&cursor={cursor}")) == (400, "invalid_cursor")
    assert code_of(await rig.get("/v1/subscribers/none/endpoints")) == (404, "not_found")


async def test_header_values_are_hidden_from_readers(rig: Rig) -> None:
    await rig.internal("shop")
    await make(rig, {"id": "e", "headers": {"x-key": "secret"}})
    reader = await rig.key("read")
    assert (await rig.get("/v1/endpoints/e", reader)).json()["headers"] == {"x-key": "***"}
    assert (await rig.get("/v1/endpoints", reader)).json()["data"][0]["headers"] == {"x-key": "***"}
    assert (await rig.get("/v1/endpoints/e", await rig.key("read", "manage"))).json()["headers"] == {"x-key": "secret"}


async def test_internal_ones_need_admin(rig: Rig) -> None:
    await rig.internal("shop", "e")
    manage = await rig.key("manage", "read")
    refused = [
        await rig.post(ENDPOINTS, {"url": INTERNAL_URL}, manage),
        await rig.put("/v1/endpoints/e", {"url": INTERNAL_URL}, manage),
        await rig.put("/v1/endpoints/new", {"url": INTERNAL_URL, "subscriber": "shop"}, manage),
        await rig.patch("/v1/endpoints/e", {"url": URL}, manage),
        await rig.delete("/v1/endpoints/e", manage),
        await rig.post("/v1/endpoints/e/enable", None, manage),
        await rig.post("/v1/endpoints/e/disable", None, manage),
    ]
    assert {code_of(answer) for answer in refused} == {(403, "forbidden")}


async def test_a_bound_key_sees_its_own_only(rig: Rig) -> None:
    await rig.external("acme", "mine")
    await rig.external("rival", "theirs")
    bound = await rig.key("read", "manage", subscriber="acme")
    assert [item["id"] for item in (await rig.get("/v1/endpoints", bound)).json()["data"]] == ["mine"]
    assert (await rig.get("/v1/endpoints?subscriber=rival", bound)).json()["data"] == []
    for method, suffix in (("GET", ""), ("GET", "/secret"), ("DELETE", ""), ("POST", "/test"), ("POST", "/enable")):
        answer = await rig.call(method, f"/v1/endpoints/theirs{suffix}", bound)
        assert code_of(answer) == (404, "not_found")
        assert answer.json()["detail"] == "no endpoint with id theirs"
    taken = await rig.put("/v1/endpoints/theirs", {"url": URL, "subscriber": "acme"}, bound)
    assert code_of(taken) == (404, "not_found")
    assert fields_of(await rig.put("/v1/endpoints/x", {"url": URL, "subscriber": "rival"}, bound)) == {"subscriber"}
    assert (await rig.post("/v1/subscribers/acme/endpoints", {"url": URL}, bound)).status_code == 201
    assert code_of(await rig.post("/v1/subscribers/rival/endpoints", {"url": URL}, bound)) == (404, "not_found")


async def test_delete(rig: Rig) -> None:
    await rig.internal("shop", "e")
    assert (await rig.delete("/v1/endpoints/e")).status_code == 204
    assert code_of(await rig.delete("/v1/endpoints/e")) == (404, "not_found")


async def test_what_was_read_can_be_put_back(rig: Rig) -> None:
    await rig.internal("shop", "e")
    read = (await rig.get("/v1/endpoints/e")).json()
    answer = await rig.put("/v1/endpoints/e", {**read, "description": "changed"})
    assert answer.status_code == 200
    assert read.pop("held") == NONE_HELD
    assert {**answer.json(), "updated_at": ""} == {**read, "description": "changed", "updated_at": ""}
    assert fields_of(await rig.patch("/v1/endpoints/e", {"health": {}})) == {"health"}


async def test_a_url_that_is_bad_by_now_is_not_in_the_way(rig: Rig) -> None:
    await rig.internal("shop", "e")
    old = await rig.services.registry.get_endpoint("e")
    assert old is not None
    bad = msgspec.structs.replace(old, url="http://10.0.0.1/")
    await rig.services.registry.update_endpoint(bad, old.revision)
    assert (await rig.patch("/v1/endpoints/e", {"status": "disabled"})).json()["status"] == "disabled"
    assert (await rig.put("/v1/endpoints/e", {"url": "http://10.0.0.1/"})).status_code == 200
    assert fields_of(await rig.patch("/v1/endpoints/e", {"url": "http://10.0.0.2/"})) == {"url"}
