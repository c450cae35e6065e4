"""`python -m dispatcher` as a process."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.dispatcher.rig import Rig
from tests.support.process import Process
from tests.support.waiting import until


def settings(rig: Rig) -> dict[str, str]:
    return {
        "HOOKLINE_REDIS_URL": rig.url,
        "HOOKLINE_PARTITIONS": "4",
        "HOOKLINE_ENCRYPTION_KEYS": rig.settings.encryption_keys or "",
        "HOOKLINE_EGRESS_ALLOW": "127.0.0.0/8",
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_dispatches_until_it_is_asked_to_end(four: Rig, tmp_path: Path, number: signal.Signals) -> None:
    await four.endpoint("shop")
    process = Process("dispatcher", ["dispatcher"], tmp_path, settings(four))
    process.start()
    try:
        for partition in range(4):
            await four.publish(3, partition)
        await four.receiver.wait("shop", 12)
        await four.wait_done()
        os.kill(process.pid, number)
        await until(lambda: not process.running, 10, "its end")
    finally:
        process.kill9()
        sys.stdout.write(process.output())
    assert process.returncode == 0
    assert "dispatcher.stopped" in process.output()
    owners = [await four.redis.hget(partition.lease, "owner") for partition in four.partitions]
    assert owners == [b""] * 4


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"HOOKLINE_REDIS_URL": ""}, "HOOKLINE_REDIS_URL is not set"),
        ({"HOOKLINE_ENCRYPTION_KEYS": ""}, "HOOKLINE_ENCRYPTION_KEYS is not set"),
        ({"HOOKLINE_PARTITIONS": "7"}, "partition"),
        ({"HOOKLINE_TYPO": "1"}, "HOOKLINE_TYPO"),
    ],
)
async def test_what_is_wrong_is_one_line_and_exit_2(
    four: Rig, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    process = Process("dispatcher", ["dispatcher"], tmp_path, {**settings(four), **changed})
    process.start()
    try:
        await until(lambda: not process.running, 20, "its end")
    finally:
        process.kill9()
    assert process.returncode == 2
    assert said in process.output()
    assert "Traceback" not in process.output()
