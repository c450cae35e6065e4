"""A whole system, started and broken."""

from pathlib import Path

from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.waiting import wait_until


def test_it_delivers_and_survives_the_restart_of_each_part(tmp_path: Path) -> None:
    with SinkProcess(tmp_path) as sink, System(tmp_path) as system:
        (endpoint,) = system.api.create_subscriber("shop", {"url": sink.url("pay")})
        assert system.api.publish({"type": "order.placed", "id": "e-1", "data": 1}).status_code == 202
        system.wait_drained(10)
        system.restart("gateway")
        system.kill9("store")
        wait_until(lambda: system.status("/readyz") == 503, 10, "not ready without a store")
        assert system.status("/livez") == 200
        system.start("store")
        system.wait_gateway()
        assert system.stored() == 1
        assert [line.id for line in sink.received()] == ["e-1"]
        assert [d.status for d in system.api.settled({endpoint["id"]: "pay"})] == ["delivered"]
        assert system.owned_by("dispatcher-0") == [0, 1, 2, 3]
        assert system.api.metrics()
