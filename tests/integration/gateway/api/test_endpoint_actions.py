"""Enable, disable and test, from outside."""

from gateway import rfc3339
from gateway.model.endpoint import LastFailure
from gateway.store import connection, log
from gateway.store.health import HealthReport
from tests.support.api_rig import Rig, code_of


async def test_disable_says_who_and_repeats(rig: Rig) -> None:
    await rig.internal("shop", "e")
    first = await rig.post("/v1/endpoints/e/disable")
    assert first.status_code == 200
    assert (first.json()["status"], first.json()["disabled_reason"]) == ("disabled", "operator")
    assert (await rig.post("/v1/endpoints/e/disable", {})).json() == first.json()


async def test_disable_keeps_the_reason_of_the_first(rig: Rig) -> None:
    await rig.internal("shop", "e")
    now = await connection.store_ms(rig.redis)
    await rig.services.registry.disable("e", "gone", now)
    assert (await rig.post("/v1/endpoints/e/disable")).json()["disabled_reason"] == "gone"


async def test_enable_answers_since_when_and_the_replay_that_brings_what_it_missed(rig: Rig) -> None:
    await rig.internal("shop", "e")
    now = await connection.store_ms(rig.redis)
    await rig.post("/v1/endpoints/e/disable")
    enabled = (await rig.post("/v1/endpoints/e/enable")).json()
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    replay = enabled["replay"]
    assert replay["since"] == enabled["disabled_since"] < replay["until"]
    assert (replay["endpoint"], replay["mode"]) == ("e", "fill")
    started = await rig.post("/v1/replays", replay)
    assert started.status_code == 202
    assert started.json()["since"] == replay["since"]
    assert now > 0


async def test_what_waited_for_a_retry_is_in_the_replay_too(rig: Rig) -> None:
    await rig.internal("shop", "e")
    endpoint = await rig.services.registry.get_endpoint("e")
    assert endpoint is not None
    now = await connection.store_ms(rig.redis)
    failing_since = now - 3_600_000
    failure = LastFailure(now, "http_status", 500, None)
    report = HealthReport(endpoint.number, "e", 0, 3, failing_since, 0, failure)
    await rig.services.health.report([report], 600, now)
    shown = (await rig.get("/v1/endpoints/e")).json()
    assert (shown["status"], shown["disabled_reason"]) == ("disabled", "failing")
    assert shown["health"]["consecutive_failures"] == 3
    assert shown["health"]["disables_at"] is None
    assert shown["health"]["last_failure"]["response_status"] == 500
    enabled = (await rig.post("/v1/endpoints/e/enable")).json()
    assert enabled["replay"]["since"] < shown["health"]["failing_since"] < enabled["disabled_since"]
    assert enabled["health"]["failing_since"] is None


async def test_enable_of_an_enabled_one_has_nothing_to_bring(rig: Rig) -> None:
    await rig.internal("shop", "e")
    enabled = (await rig.post("/v1/endpoints/e/enable")).json()
    assert (enabled["disabled_since"], enabled["replay"]) == (None, None)


async def test_test_appends_an_event_for_this_endpoint_alone(rig: Rig) -> None:
    await rig.internal("shop", "e", "other")
    answer = await rig.post("/v1/endpoints/e/test")
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/deliveries/{body['id']}"
    assert (body["endpoint"], body["status"]) == ("e", "pending")
    address = await log.find(rig.redis, rig.services.partitions, body["event"])
    assert address is not None
    event = await log.read(rig.redis, rig.services.partitions[address.partition], address)
    assert event is not None
    assert (event.type, event.source, event.endpoint, event.subscriber) == ("hookline.test", "/hookline", "e", "shop")
    assert body["id"].startswith("dlv_" + body["event"].removeprefix("evt_"))


async def test_test_of_a_paused_one_is_held(rig: Rig) -> None:
    await rig.internal("shop", "e")
    await rig.post("/v1/endpoints/e/pause")
    answer = await rig.post("/v1/endpoints/e/test")
    assert (answer.status_code, answer.json()["status"]) == (202, "held")


async def test_what_waited_is_found_by_the_endpoint_s_own_deadline(rig: Rig) -> None:
    await rig.internal("shop", "e")
    await rig.patch("/v1/endpoints/e", {"deadline_seconds": 300})
    endpoint = await rig.services.registry.get_endpoint("e")
    assert endpoint is not None
    now = await connection.store_ms(rig.redis)
    failure = LastFailure(now, "http_status", 500, None)
    report = HealthReport(endpoint.number, "e", 0, 3, now - 3_600_000, 0, failure)
    await rig.services.health.report([report], 600, now)
    enabled = (await rig.post("/v1/endpoints/e/enable")).json()
    assert enabled["replay"]["since"] == rfc3339.format_ms(now - 3_600_000 - 301_000)


async def test_test_of_a_disabled_one_is_refused(rig: Rig) -> None:
    await rig.internal("shop", "e")
    await rig.post("/v1/endpoints/e/disable")
    assert code_of(await rig.post("/v1/endpoints/e/test")) == (409, "endpoint_disabled")


async def test_actions_take_no_body(rig: Rig) -> None:
    await rig.internal("shop", "e")
    for action in ("enable", "disable", "test"):
        assert code_of(await rig.post(f"/v1/endpoints/e/{action}", {"x": 1})) == (400, "malformed_json")
        assert code_of(await rig.post(f"/v1/endpoints/none/{action}")) == (404, "not_found")
