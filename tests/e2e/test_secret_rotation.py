"""Secrets and their encryption keys change under load, and no receiver ever has to reject a delivery."""

import base64
import secrets as randomness
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import receivers
from tests.support.api import Api
from tests.support.command import HOOKLINE
from tests.support.judging import Judging, data_of
from tests.support.process import clean_environment
from tests.support.system import System
from tests.support.waiting import wait_until

EVENTS = 1_000
BATCH = 10
NAMES = ("old", "new", "both")


class Holders:
    """What three receivers hold. `generations` counts the rotations that were answered, by endpoint."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[str]] = {name: [] for name in NAMES}
        self.public_keys: dict[str, list[str]] = {name: [] for name in NAMES}

    def learn(self, name: str, told: dict[str, Any]) -> None:
        """Keep what an answer showed."""
        self.public_keys[name].append(told["public_key"])
        self.secrets[name].append(told["secret"])

    def generations(self) -> dict[str, int]:
        """The newest secret of each, as known before an event is published."""
        return {name: len(known) - 1 for name, known in self.secrets.items()}

    def judge(self, name: str, body: bytes, headers: dict[str, str]) -> None:
        """Raise unless the receiver of that name would accept it."""
        newest = data_of(body)[name]
        held = {
            "old": self.secrets[name][:1],
            "new": [self.secrets[name][newest]],
            "both": [self.secrets[name][0], self.secrets[name][newest]],
        }[name]
        receivers.verify(body, headers, held)
        receivers.verify(body, headers, self.public_keys[name][0 if name == "old" else newest])


class Publisher(threading.Thread):
    """Publishes events, each with the generations that were known before it."""

    def __init__(self, api: Api, holders: Holders | None, events: int = EVENTS) -> None:
        super().__init__(daemon=True)
        self._api, self._holders, self._events = api, holders, events
        self.published = 0
        self.ending = threading.Event()

    def run(self) -> None:
        while self.published < self._events and not self.ending.is_set():
            data = self._holders.generations() if self._holders else {}
            batch = [{"type": "order.placed", "data": data}] * BATCH
            result = self._api.publish_batch(batch, f"batch-{self.published}")
            assert result["refused"] == 0, result
            self.published += BATCH

    def wait(self, events: int) -> None:
        """Wait until so many are published."""
        wait_until(lambda: self.published >= events or not self.is_alive(), 60, f"{events} events published")


@pytest.fixture
def holders() -> Holders:
    return Holders()


def test_three_receivers_reject_nothing_while_secrets_are_rotated(tmp_path: Path, holders: Holders) -> None:
    with System(tmp_path, dispatchers=2) as system, Judging(holders.judge) as receiver:
        wanted = [{"id": name, "url": receiver.url(name), "signatures": ["v1", "v1a"]} for name in NAMES]
        for made in system.api.create_subscriber("shop", *wanted):
            holders.learn(made["id"], made)
        publisher = Publisher(system.api, holders)
        publisher.start()
        with Api(system.url, system.key) as operator:
            for mark in (300, 600):
                publisher.wait(mark)
                for name in NAMES:
                    answer = operator.post(f"/v1/endpoints/{name}/secret/rotate", {"overlap_seconds": 600})
                    holders.learn(name, answer.raise_for_status().json())
        publisher.join(60)
        wait_until(lambda: receiver.count() >= EVENTS * len(NAMES), 60, "every delivery at every receiver")
        assert receiver.rejected == []
        assert {name: len(ids) for name, ids in receiver.accepted.items()} == dict.fromkeys(NAMES, EVENTS)
        system.wait_drained(30)
        assert {item["attempts"] for item in system.api.pages("/v1/deliveries", status="delivered")} == {1}


def key(name: str) -> str:
    return f"{name}:" + base64.b64encode(randomness.token_bytes(32)).decode()


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[System, str, str]]:
    """A system whose encryption key is `k1`, and the texts of `k1` and `k2`."""
    old, new = key("k1"), key("k2")
    with System(tmp_path, dispatchers=2, settings={"HOOKLINE_ENCRYPTION_KEYS": old}) as system:
        yield system, old, new


def roll(system: System, keys: str) -> None:
    """Give every process other encryption keys, one after the other."""
    system.environment["HOOKLINE_ENCRYPTION_KEYS"] = keys
    for name in list(system.parts):
        system.stop(name)
        system.parts.pop(name)
        system.start(name)
        system.wait_ready()


def rewrap(system: System) -> str:
    environment = clean_environment(system.environment)
    command = [HOOKLINE, "keys", "rewrap"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_no_signature_fails_while_the_encryption_key_is_rotated(encrypted: tuple[System, str, str]) -> None:
    system, old, new = encrypted
    known: dict[str, str] = {}

    def judge(name: str, body: bytes, headers: dict[str, str]) -> None:
        receivers.verify(body, headers, known[name])

    with Judging(judge) as receiver:
        wanted = [{"id": f"e{number}", "url": receiver.url(f"e{number}")} for number in range(4)]
        for made in system.api.create_subscriber("shop", *wanted):
            known[made["id"]] = made["secret"]
        published = 0
        for keys in (f"{old},{new}", f"{new},{old}"):
            roll(system, keys)
        with Api(system.url, system.key) as api:
            publisher = Publisher(api, None, events=10**9)
            publisher.start()
            assert rewrap(system).startswith("4 secrets of 4 endpoints")
            publisher.wait(publisher.published + 100)
            publisher.ending.set()
            publisher.join(30)
            published = publisher.published
        roll(system, new)
        system.api.publish({"type": "order.placed", "data": {}}).raise_for_status()
        wait_until(lambda: receiver.count() >= 4 * (published + 1), 60, "every delivery")
        assert receiver.rejected == []
        system.wait_drained(30)
        assert {item["attempts"] for item in system.api.pages("/v1/deliveries", status="delivered")} == {1}
