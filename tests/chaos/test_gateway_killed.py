"""The gateway dies around the append, or its reply from the store is lost (FAULTS 1, rows 1 and 2)."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from gateway import ids
from gateway.store import scripts
from tests.chaos.conftest import Start
from tests.support.proxy import Proxy
from tests.support.system import System
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
APPEND = scripts.load("append").sha.encode()
EVENT: dict[str, object] = {"type": "order.placed", "id": "order-1", "data": {"total": 1}}


class Client(threading.Thread):
    """One publisher that waits for its answer; `answer` is None when the connection broke first."""

    def __init__(self, system: System, event: dict[str, object]) -> None:
        super().__init__(daemon=True)
        self._system, self._event = system, event
        self.answer: httpx.Response | None = None

    def run(self) -> None:
        headers = {"authorization": f"Bearer {self._system.key}"}
        try:
            self.answer = httpx.post(
                f"{self._system.url}/v1/events", json=self._event, headers=headers, timeout=20, trust_env=False
            )
        except httpx.TransportError:
            self.answer = None


@pytest.fixture
def proxied(start: Start) -> Iterator[tuple[System, Proxy]]:
    store = ValkeyServer()
    with Proxy(store.port) as proxy:
        system = start(store=store, dispatchers=0, urls={"gateway": proxy.url})
        assert system.api.publish({"type": "order.placed", "data": "the store knows the script"}).status_code == 202
        yield system, proxy


def orders(system: System) -> int:
    """How many events the log has beside the first one."""
    return system.stored() - 1


def kill_while_waiting(system: System, proxy: Proxy, client: Client, *, stored: bool) -> None:
    """Kill the gateway once its request to the store is lost, or done; then everything works again."""
    if stored:
        wait_until(lambda: orders(system) == 1, 10, "the event in the log")
    else:
        wait_until(proxy.is_dropping, 10, "the script on its way")
    system.kill9("gateway")
    client.join(10)
    proxy.heal()
    system.start("gateway")


def test_killed_before_the_script_nothing_is_stored(proxied: tuple[System, Proxy]) -> None:
    system, proxy = proxied
    proxy.drop_from(APPEND)
    client = Client(system, EVENT)
    client.start()
    kill_while_waiting(system, proxy, client, stored=False)
    assert client.answer is None
    assert orders(system) == 0
    answer = system.api.publish(EVENT)
    assert answer.status_code == 202, answer.text
    assert answer.json()["duplicate"] is False


def test_killed_after_the_script_a_retry_finds_the_event(proxied: tuple[System, Proxy]) -> None:
    system, proxy = proxied
    proxy.mute_from(APPEND)
    client = Client(system, EVENT)
    client.start()
    kill_while_waiting(system, proxy, client, stored=True)
    assert client.answer is None
    answer = system.api.publish(EVENT)
    assert answer.status_code == 202, answer.text
    assert answer.json()["id"] == "order-1"
    assert answer.json()["duplicate"] is True
    assert orders(system) == 1


def test_killed_between_claim_and_append_a_retry_completes_the_claim(proxied: tuple[System, Proxy]) -> None:
    system, proxy = proxied
    home = ids.partition_of("order-1", system.partitions)
    subject = next(s for s in map(str, range(100)) if ids.partition_of(s, system.partitions) != home)
    proxy.drop_from(APPEND)
    client = Client(system, {**EVENT, "subject": subject})
    client.start()
    kill_while_waiting(system, proxy, client, stored=False)
    assert client.answer is None
    first, second = (system.api.publish({**EVENT, "subject": subject}) for _ in range(2))
    assert first.status_code == second.status_code == 202, first.text
    assert second.json() == {**first.json(), "duplicate": True}
    assert orders(system) == 1
    other = system.api.publish({**EVENT, "subject": "another"})
    assert other.status_code == 409, other.text


@pytest.mark.parametrize("event", [EVENT, {"type": "order.placed", "data": 1}], ids=["own id", "id made here"])
def test_a_lost_reply_is_asked_for_again_and_stores_one_event(
    proxied: tuple[System, Proxy], event: dict[str, object]
) -> None:
    system, proxy = proxied
    proxy.lose_reply(APPEND)
    answer = system.api.publish(event)
    proxy.wait_lost()
    assert answer.status_code == 202, answer.text
    assert answer.json()["duplicate"] is False
    assert orders(system) == 1


def test_half_a_request_stores_nothing_or_one_event(proxied: tuple[System, Proxy]) -> None:
    system, proxy = proxied
    proxy.halve()
    answer = system.api.publish(EVENT)
    assert answer.status_code in {202, 503}, answer.text
    again = system.api.publish(EVENT)
    assert again.status_code == 202, again.text
    assert orders(system) == 1
