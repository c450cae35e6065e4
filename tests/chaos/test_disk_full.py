"""The disk of an embedded store is full (FAULTS 1, row 15).

With `appendfsync always` the store exits, since it cannot keep what it would promise; the supervisor starts it again
for ever. Only 503 meanwhile; once there is room, everything goes on by itself with all that was acknowledged.
"""

import json

import pytest

from tests.chaos.receivers import QUICK_SCHEDULE
from tests.chaos.scene import Scene
from tests.support.api import Api
from tests.support.process import Process
from tests.support.small_disk import SmallDisk, possible
from tests.support.valkey import free_port
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not possible(), reason="may not mount a tmpfs in a namespace of its own (unshare -m)"),
]
MEGABYTES = 16
PAYLOAD = "x" * 100_000
REFUSALS = 20


class Publishing:
    """Publishes one event after another and keeps which were acknowledged."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.made = 0
        self.acknowledged: list[str] = []
        self.statuses: list[int] = []

    def once(self) -> int:
        """One event; its status."""
        self.made += 1
        event = {"type": "chaos.event", "id": f"e-{self.made}", "data": PAYLOAD}
        status = self.api.publish(event).status_code
        self.statuses.append(status)
        if status == 202:
            self.acknowledged.append(str(event["id"]))
        return status


@pytest.mark.together
def test_the_store_exits_and_comes_back_with_all_that_was_acknowledged(scene: Scene) -> None:
    port = free_port()
    with SmallDisk(scene.directory / "disk", MEGABYTES) as disk:
        settings = {
            "HOOKLINE_DATA": str(disk.path),
            "HOOKLINE_PORT": str(port),
            "HOOKLINE_EGRESS_ALLOW": "127.0.0.0/8",
        }
        up = Process("up", ["gateway.cli.main", "up"], scene.directory, settings, prefix=disk.prefix)
        up.start()
        try:
            up.wait(lambda: "Ctrl-C stops everything" in up.output(), 40, "it is up")
            with Api(f"http://127.0.0.1:{port}", (disk.outside / "admin-key").read_text().strip()) as api:
                fill_and_make_room(scene, disk, up, Publishing(api))
            recount = Process("ledger", ["gateway.cli.main", "ledger"], scene.directory, settings, prefix=disk.prefix)
            recount.start()
            assert recount.finish(30) == 0, recount.output()
        finally:
            up.stop()


def fill_and_make_room(scene: Scene, disk: SmallDisk, up: Process, publishing: Publishing) -> None:
    api, sink = publishing.api, scene.sink
    (endpoint,) = api.create_subscriber("receivers", {"url": sink.url("pay"), "retry_schedule": QUICK_SCHEDULE})
    sink.configure("pay", secrets=[api.get(f"/v1/endpoints/{endpoint['id']}/secret")["secret"]])
    wait_until(lambda: publishing.once() != 202, 60, "a refusal")
    wait_until(lambda: exits(disk) >= 2, 30, "the store exits, and again after it was restarted")
    for _ in range(REFUSALS):
        publishing.once()
    assert set(publishing.statuses) == {202, 503}
    assert api.http.get("/livez").status_code == 200
    disk.grow(16 * MEGABYTES)
    wait_until(lambda: publishing.once() == 202, 40, "events taken in again")
    assert set(publishing.statuses) == {202, 503}
    promised = set(publishing.acknowledged)
    wait_until(lambda: promised <= {line.id for line in sink.received() if line.signature_ok}, 60, "all delivered")
    wait_until(lambda: not list(api.pages("/v1/deliveries", status="pending")), 20, "all recorded")


def exits(disk: SmallDisk) -> int:
    """How often the store ended, as the supervisor tells; it may not be able to write that down."""
    lines = (disk.outside / "logs" / "supervisor.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return sum(event["event"] == "process.ended" and event["process"] == "store" for event in events)
