"""Endpoints that are refused, from outside: each bad field is named, and nothing is stored."""

from typing import Any

import pytest

from tests.support.api_rig import INTERNAL_URL, Rig, fields_of

ENDPOINTS = "/v1/subscribers/shop/endpoints"
INVALID: list[tuple[dict[str, Any], set[str]]] = [
    ({"url": None}, {"url"}),
    ({"url": "ftp://example.com"}, {"url"}),
    ({"url": "https://example.com/#x"}, {"url"}),
    ({"url": "https://user@example.com/"}, {"url"}),
    ({"url": "http://10.0.0.1/"}, {"url"}),
    ({"url": "http://169.254.169.254/"}, {"url"}),
    ({"url": "https://example.com/" + "x" * 2_050}, {"url"}),
    ({"event_types": []}, {"event_types"}),
    ({"event_types": None}, {"event_types"}),
    ({"event_types": ["*"] * 101}, {"event_types"}),
    ({"event_types": ["order.*", "or*der", "order.*", ""]}, {"event_types[1]", "event_types[2]", "event_types[3]"}),
    ({"status": "held"}, {"status"}),
    ({"retry_schedule": []}, {"retry_schedule"}),
    ({"retry_schedule": [0]}, {"retry_schedule[0]"}),
    ({"retry_schedule": [1, 604_801]}, {"retry_schedule[1]"}),
    ({"retry_schedule": [1.5]}, {"retry_schedule[0]"}),
    ({"retry_schedule": [True]}, {"retry_schedule[0]"}),
    ({"retry_schedule": [1] * 51}, {"retry_schedule"}),
    ({"deadline_seconds": 0}, {"deadline_seconds"}),
    ({"deadline_seconds": 301}, {"deadline_seconds"}),
    ({"deadline_seconds": 1.5}, {"deadline_seconds"}),
    ({"deadline_seconds": "15"}, {"deadline_seconds"}),
    ({"max_in_flight": 0, "ordered": 1}, {"max_in_flight", "ordered"}),
    ({"max_in_flight": 10_001}, {"max_in_flight"}),
    ({"max_in_flight": True}, {"max_in_flight"}),
    ({"ordered": None, "on_failure": None}, {"ordered", "on_failure"}),
    ({"on_failure": "stop"}, {"on_failure"}),
    ({"rate": 5}, {"rate"}),
    ({"rate": {}}, {"rate.per_second"}),
    ({"rate": {"per_second": 0}}, {"rate.per_second"}),
    ({"rate": {"per_second": -1, "burst": 0}}, {"rate.per_second", "rate.burst"}),
    ({"rate": {"per_second": 100_001}}, {"rate.per_second"}),
    ({"rate": {"per_second": "5"}}, {"rate.per_second"}),
    ({"rate": {"per_second": 5, "burst": 1.5}}, {"rate.burst"}),
    ({"rate": {"per_second": 5, "burst": 10**30}}, {"rate.burst"}),
    ({"rate": {"per_second": 5, "per_minute": 5}}, {"rate.per_minute"}),
    ({"catch_up": None, "paused_at": None}, {"catch_up", "paused_at"}),
    ({"headers": {"x": 1}}, {"headers[...]"}),
    ({"headers": {f"x-{number}": "1" for number in range(21)}}, {"headers"}),
    ({"headers": {"Host": "x"}}, {"headers.Host"}),
    ({"headers": {"content-length": "1"}}, {"headers.content-length"}),
    ({"headers": {"Webhook-Id": "1"}}, {"headers.Webhook-Id"}),
    ({"headers": {"connection": "close", "Traceparent": "1"}}, {"headers.connection", "headers.Traceparent"}),
    ({"headers": {"x y": "1"}}, {"headers.x y"}),
    ({"headers": {"x": "a\r\nb: c"}}, {"headers.x"}),
    ({"headers": {"x": "é"}}, {"headers.x"}),
    ({"headers": {"x": ""}}, {"headers.x"}),
    ({"headers": {"x": "a" * 1_024}}, {"headers.x"}),
    ({"headers": {"X-A": "1", "x-a": "2"}}, {"headers.x-a"}),
    ({"secret": "whsec_short"}, {"secret"}),
    ({"secret": "whsk_" + "A" * 43 + "="}, {"secret"}),
    ({"secret": "abc"}, {"secret"}),
    ({"metadata": {"a": "x" * 4_096}}, {"metadata"}),
    ({"description": "x" * 1_001}, {"description"}),
    ({"id": "ep_1"}, {"id"}),
    ({"subscriber": "shop"}, {"subscriber"}),
    ({"filter": {}}, {"filter"}),
    ({"filter": "data.amount >"}, {"filter"}),
    ({"filter": "amount > 100", "rate": 1}, {"filter", "rate"}),
    ({"filter": "true || " * 1_000}, {"filter"}),
    ({"health": {}, "filters": "true"}, {"health", "filters"}),
]


@pytest.mark.parametrize(("body", "fields"), INVALID)
async def test_every_invalid_field_is_named_and_nothing_is_stored(
    rig: Rig, body: dict[str, Any], fields: set[str]
) -> None:
    await rig.internal("shop")
    before = await rig.stored()
    answer = await rig.post(ENDPOINTS, {"id": "payments", "url": INTERNAL_URL, **body})
    assert fields_of(answer) == fields
    assert (await rig.get("/v1/endpoints/payments")).status_code == 404
    assert await rig.stored() == before
    assert "AAAA" not in answer.text
