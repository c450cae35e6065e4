"""Probes and the pages for people, from outside."""

from pathlib import Path

import httpx
import pytest

from gateway.api import routes
from gateway.problems import TABLE
from gateway.store import durability
from gateway.store.keys import RegistryKeys
from tests.support.api_rig import Rig, code_of, opened
from tests.support.valkey import ValkeyServer


async def readiness(rig: Rig) -> tuple[int, set[str], set[str]]:
    """Status, codes of the reasons, codes of the warnings."""
    answer = await rig.get("/readyz", "")
    body = answer.json()
    assert (body["status"] == "ready") is (answer.status_code == 200)
    return answer.status_code, {r["code"] for r in body["reasons"]}, {w["code"] for w in body["warnings"]}


async def test_it_lives_and_is_ready_without_a_key(rig: Rig) -> None:
    assert (await rig.get("/livez", "")).json() == {"status": "alive"}
    assert await readiness(rig) == (200, set(), {"no_dispatcher"})


async def test_a_store_that_loses_data_is_not_ready(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async with opened(valkey_server.url, tmp_path) as rig:
        await rig.redis.config_set("appendfsync", "everysec")
        status, reasons, _ = await readiness(rig)
        assert (status, reasons) == (503, {"fsync_not_always"})
        assert (await rig.get("/readyz", "")).headers["retry-after"] == "2"
        await rig.redis.config_set("appendfsync", "always")
        assert (await readiness(rig))[0] == 200


async def test_a_full_store_is_not_ready(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async with opened(valkey_server.url, tmp_path) as rig:
        used = (await durability.memory(rig.redis)).used
        await rig.redis.config_set("maxmemory", used * 100 // 95)
        await rig.services.fullness.run_once()
        assert (await readiness(rig))[:2] == (503, {"store_full"})


async def test_an_emptied_store_is_not_the_one_of_the_start(rig: Rig) -> None:
    await rig.redis.delete(RegistryKeys.meta)
    assert (await readiness(rig))[:2] == (503, {"store_changed"})


async def test_a_store_that_is_gone_or_hangs_is_named(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async with opened(valkey_server.url, tmp_path) as rig:
        valkey_server.pause()
        try:
            assert (await readiness(rig))[:2] == (503, {"store_unavailable"})
            assert (await rig.get("/livez", "")).status_code == 200
        finally:
            valkey_server.resume()
        valkey_server.kill9()
        assert (await readiness(rig))[:2] == (503, {"store_unavailable"})
        refused = await rig.get("/metrics", "")
        assert code_of(refused) == (503, "store_unavailable")
        assert refused.headers["retry-after"] == "2"
        valkey_server.restart()
        assert (await readiness(rig))[0] == 200


async def test_metrics_count_what_happened(rig: Rig) -> None:
    await rig.post("/v1/events", {"type": "a", "data": 1})
    partition = rig.services.partitions[0]
    await rig.redis.hincrby(partition.counters, "0:delivered", 5)
    await rig.redis.hset(partition.timing, mapping={"5": 3, "10": 1, "+Inf": 1, "count": 5, "sum": 20_500_000})
    answer = await rig.get("/metrics", "")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert "hookline_events_accepted_total 1.0" in lines
    assert "hookline_deliveries_delivered_total 5.0" in lines
    assert "hookline_events_unread 1.0" in lines
    assert 'hookline_attempt_seconds_bucket{le="0.01"} 4.0' in lines
    assert "hookline_attempt_seconds_sum 20.5" in lines


async def test_the_page_links_to_what_works(rig: Rig) -> None:
    page = await rig.get("/", "")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in ("/openapi.json", "/readyz", "/livez", "/metrics"):
        assert f'href="{path}"' in page.text
        assert (await rig.get(path, "")).status_code == 200


async def test_a_problem_has_a_page(rig: Rig) -> None:
    assert (await rig.get("/problems/overloaded", "")).json() == {
        "code": "overloaded",
        "status": 503,
        "title": TABLE["overloaded"].title,
        "way_out": TABLE["overloaded"].way_out,
    }
    assert code_of(await rig.get("/problems/none", "")) == (404, "not_found")


@pytest.mark.parametrize("path", ["/", "/livez", "/v1/subscribers", "/openapi.json"])
async def test_head_is_get_without_the_body(rig: Rig, path: str) -> None:
    got: httpx.Response = await rig.get(path)
    head = await rig.call("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_the_description_is_served(rig: Rig) -> None:
    assert (await rig.get("/openapi.json", "")).content == routes.document()
