"""Subscribers, from outside."""

from typing import Any

import pytest

from tests.support.api_rig import INTERNAL_URL, URL, Rig, code_of, fields_of


async def test_post_makes_one_and_says_where(rig: Rig) -> None:
    answer = await rig.post(
        "/v1/subscribers", {"id": "acme", "kind": "external", "name": "Acme", "metadata": {"plan": {"seats": 5}}}
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/subscribers/acme"
    body = answer.json()
    assert body.pop("created_at").endswith("Z")
    assert body.pop("endpoints") == []
    assert body == {"id": "acme", "kind": "external", "name": "Acme", "metadata": {"plan": {"seats": 5}}}
    assert (await rig.get("/v1/subscribers/acme")).json() == {**body, "created_at": answer.json()["created_at"]}


async def test_an_id_is_made_when_none_is_given(rig: Rig) -> None:
    body = (await rig.post("/v1/subscribers", {"kind": "external"})).json()
    assert body["id"].startswith("sub_")
    assert (await rig.get(f"/v1/subscribers/{body['id']}")).status_code == 200


async def test_the_id_exists(rig: Rig) -> None:
    await rig.internal("shop")
    answer = await rig.post("/v1/subscribers", {"id": "shop", "kind": "external"})
    assert code_of(answer) == (409, "already_exists")
    assert (await rig.get("/v1/subscribers/shop")).json()["kind"] == "internal"


async def test_endpoints_come_along_all_or_nothing(rig: Rig) -> None:
    inline = [{"id": "a", "url": INTERNAL_URL}, {"url": INTERNAL_URL, "event_types": ["order.*"]}]
    made = (await rig.post("/v1/subscribers", {"id": "shop", "kind": "internal", "endpoints": inline})).json()
    assert [endpoint["subscriber"] for endpoint in made["endpoints"]] == ["shop", "shop"]
    assert all(endpoint["secret"].startswith("whsec_") for endpoint in made["endpoints"])
    assert made["endpoints"][1]["id"].startswith("ep_")
    assert made["endpoints"][1]["event_types"] == ["order.*"]

    taken = {"id": "second", "kind": "internal", "endpoints": [{"id": "b", "url": URL}, {"id": "a", "url": URL}]}
    assert code_of(await rig.post("/v1/subscribers", taken)) == (409, "already_exists")
    assert (await rig.get("/v1/subscribers/second")).status_code == 404
    assert (await rig.get("/v1/endpoints/b")).status_code == 404


INVALID: list[tuple[Any, set[str]]] = [
    ({}, {"kind"}),
    ({"kind": None}, {"kind"}),
    ({"kind": "Internal"}, {"kind"}),
    ({"kind": "external", "id": "a.b"}, {"id"}),
    ({"kind": "external", "id": "sub_1"}, {"id"}),
    ({"kind": "external", "id": ""}, {"id"}),
    ({"kind": "external", "id": "x" * 101}, {"id"}),
    ({"kind": "external", "id": "a\n"}, {"id"}),
    ({"kind": "external", "id": 7}, {"id"}),
    ({"kind": "external", "name": "x" * 201}, {"name"}),
    ({"kind": "external", "name": "a\tb"}, {"name"}),
    ({"kind": "external", "metadata": []}, {"metadata"}),
    ({"kind": "external", "metadata": {"a": "x" * 5_000}}, {"metadata"}),
    ({"kind": "external", "created_at": "2026-01-01T00:00:00Z"}, {"created_at"}),
    ({"kind": "external", "endpoints": {}}, {"endpoints"}),
    ({"kind": "external", "endpoints": [7]}, {"endpoints[0]"}),
    ({"kind": "external", "endpoints": [{"url": INTERNAL_URL}, {}]}, {"endpoints[0].url", "endpoints[1].url"}),
    ({"kind": "external", "endpoints": [{"id": "a", "url": URL}, {"id": "a", "url": URL}]}, {"endpoints[1].id"}),
    ({"kind": "external", "endpoints": [{"url": URL}] * 101}, {"endpoints"}),
    ({"knid": "external", "name": 5, "id": "evt_"}, {"knid", "kind", "name", "id"}),
]


@pytest.mark.parametrize(("body", "fields"), INVALID)
async def test_every_invalid_field_is_named_and_nothing_is_stored(rig: Rig, body: Any, fields: set[str]) -> None:
    before = await rig.stored()
    assert fields_of(await rig.post("/v1/subscribers", body)) == fields
    assert await rig.stored() == before


async def test_put_makes_then_replaces(rig: Rig) -> None:
    made = await rig.put("/v1/subscribers/acme", {"kind": "external", "name": "Acme", "metadata": {"a": 1}})
    assert (made.status_code, made.headers["location"]) == (201, "/v1/subscribers/acme")
    replaced = await rig.put("/v1/subscribers/acme", {"kind": "external", "id": "acme"})
    assert replaced.status_code == 200
    assert replaced.json() == {**made.json(), "name": "", "metadata": {}}
    assert code_of(await rig.put("/v1/subscribers/acme", {"kind": "internal"})) == (409, "kind_fixed")
    assert fields_of(await rig.put("/v1/subscribers/acme", {"kind": "external", "id": "other"})) == {"id"}
    assert fields_of(await rig.put("/v1/subscribers/sub_9", {"kind": "external"})) == {"id"}


async def test_what_was_read_can_be_put_back(rig: Rig) -> None:
    await rig.external("acme")
    read = (await rig.get("/v1/subscribers/acme")).json()
    assert (await rig.put("/v1/subscribers/acme", {**read, "name": "New"})).json() == {**read, "name": "New"}
    assert fields_of(await rig.patch("/v1/subscribers/acme", {"created_at": "x"})) == {"created_at"}


async def test_put_replaces_one_whose_id_was_made_here(rig: Rig) -> None:
    made = (await rig.post("/v1/subscribers", {"kind": "external"})).json()["id"]
    assert (await rig.put(f"/v1/subscribers/{made}", {"kind": "external", "name": "New"})).status_code == 200


async def test_patch_merges_and_null_is_the_default(rig: Rig) -> None:
    await rig.put("/v1/subscribers/acme", {"kind": "external", "name": "Acme", "metadata": {"a": {"b": 1, "c": 2}}})
    changed = await rig.patch("/v1/subscribers/acme", {"metadata": {"a": {"b": None, "d": 3}}, "kind": "external"})
    assert changed.json()["metadata"] == {"a": {"c": 2, "d": 3}}
    assert changed.json()["name"] == "Acme"
    cleared = await rig.patch("/v1/subscribers/acme", {"metadata": None, "name": None})
    assert (cleared.json()["metadata"], cleared.json()["name"]) == ({}, "")
    assert fields_of(await rig.patch("/v1/subscribers/acme", {"kind": None, "nmae": "x"})) == {"kind", "nmae"}
    assert code_of(await rig.patch("/v1/subscribers/acme", {"kind": "internal"})) == (409, "kind_fixed")


async def test_patch_takes_both_media_types(rig: Rig) -> None:
    await rig.internal("shop")
    for media_type in ("application/merge-patch+json", "application/json; charset=UTF-8"):
        answer = await rig.call(
            "PATCH", "/v1/subscribers/shop", content=b'{"name":"Shop"}', headers={"content-type": media_type}
        )
        assert answer.json()["name"] == "Shop"


async def test_delete_takes_the_endpoints_along(rig: Rig) -> None:
    await rig.internal("shop", "payments")
    gone = await rig.delete("/v1/subscribers/shop")
    assert (gone.status_code, gone.content) == (204, b"")
    assert "content-length" not in gone.headers
    assert (await rig.get("/v1/endpoints/payments")).status_code == 404
    assert code_of(await rig.delete("/v1/subscribers/shop")) == (404, "not_found")


async def test_lists_go_page_by_page_in_both_orders(rig: Rig) -> None:
    names = [f"s{number}" for number in range(5)]
    for name in names:
        await rig.external(name)
    for order, expected in (("desc", names[::-1]), ("asc", names)):
        seen, cursor = [], ""
        while True:
            page = (await rig.get(f"/v1/subscribers?limit=2&order={order}{cursor}")).json()
            seen += [item["id"] for item in page["data"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert seen == expected


async def test_internal_ones_need_admin(rig: Rig) -> None:
    await rig.internal("shop")
    manage = await rig.key("manage", "read")
    refused = [
        await rig.post("/v1/subscribers", {"kind": "internal"}, manage),
        await rig.put("/v1/subscribers/new", {"kind": "internal"}, manage),
        await rig.put("/v1/subscribers/shop", {"kind": "internal"}, manage),
        await rig.patch("/v1/subscribers/shop", {"name": "x"}, manage),
        await rig.delete("/v1/subscribers/shop", manage),
    ]
    assert {code_of(answer) for answer in refused} == {(403, "forbidden")}
    assert (await rig.post("/v1/subscribers", {"kind": "external"}, manage)).status_code == 201


async def test_a_bound_key_sees_its_own_only(rig: Rig) -> None:
    await rig.external("acme")
    await rig.external("rival")
    bound = await rig.key("read", "manage", subscriber="acme")
    assert [item["id"] for item in (await rig.get("/v1/subscribers", bound)).json()["data"]] == ["acme"]
    assert (await rig.patch("/v1/subscribers/acme", {"name": "Acme"}, bound)).status_code == 200
    assert code_of(await rig.post("/v1/subscribers", {"kind": "external"}, bound)) == (403, "forbidden")
    for answer, missing in (
        (await rig.get("/v1/subscribers/rival", bound), await rig.get("/v1/subscribers/rival_", bound)),
        (await rig.delete("/v1/subscribers/rival", bound), await rig.delete("/v1/subscribers/rival_", bound)),
        (
            await rig.put("/v1/subscribers/rival", {"kind": "external"}, bound),
            await rig.put("/v1/subscribers/rival_", {"kind": "external"}, bound),
        ),
    ):
        assert code_of(answer) == (404, "not_found")
        hidden, absent = answer.json(), missing.json()
        assert hidden.pop("detail").replace("rival", "") == absent.pop("detail").replace("rival_", "")
        assert hidden.pop("request_id") != absent.pop("request_id")
        assert hidden == absent
