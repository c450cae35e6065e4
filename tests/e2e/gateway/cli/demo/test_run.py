"""`hookline demo` as a stranger runs it: the story, twice on the same data, then the commands that it prints."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Command, is_running
from tests.support.process import ROOT, clean_environment
from tests.support.waiting import wait_until

TITLES = (
    "1  One event, two independent receivers",
    "2  Shipping is down",
    "3  An operator sends order-{first} to payments again",
    "4  Loyalty joins now and asks for the past",
)


class Told:
    """The end of one run."""

    def __init__(self, command: Command) -> None:
        self.code = command.finish(90)
        self.output, self.errors, self.logs = command.output, command.errors, command.logs()

    def act(self, number: int) -> list[str]:
        """The lines of one act, without its title."""
        part = re.split(r"\n[1-4]  .*\n", self.output)[number]
        return [line.strip() for line in part.split("\nThe books")[0].splitlines() if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder: Path) -> Told:
    """The first run of the session."""
    with Command(folder, ["demo", "--once"]) as command:
        return Told(command)


def columns(line: str) -> list[str]:
    return re.split(r"  +", line)


def test_it_succeeds_and_says_nothing_else(told: Told) -> None:
    assert told.code == 0, told.output + told.errors + told.logs
    assert told.errors == ""
    for title in TITLES:
        assert title.format(first=1) in told.output
    assert "\x1b" not in told.output


def test_act_1_shows_both_receivers(told: Told) -> None:
    shop, *receivers = told.act(1)
    assert columns(shop)[:4] == ["shop", "order.placed", "order-1", "202"]
    assert sorted(columns(line)[0] for line in receivers) == ["payments", "shipping"]
    for line in receivers:
        who, event, order, status, attempt, proof, after, note = columns(line)
        assert (event, order, status, attempt, proof) == ("order.placed", "order-1", "200", "attempt 1", "verified")
        assert re.fullmatch(r"[\d,.]+ ms", after)
        assert note == ("card charged, 25.00 EUR" if who == "payments" else "parcel booked")


def test_act_2_shows_two_failures_and_the_recovery(told: Told) -> None:
    lines = [columns(line) for line in told.act(2)]
    assert [line[0] for line in lines] == ["shop", "payments", "shipping", "shipping", "shipping is back", "shipping"]
    assert [line[3:6] for line in lines[2:4]] == [
        ["-", "attempt 1", "connection refused"],
        ["-", "attempt 2", "connection refused"],
    ]
    assert lines[1][3:6] == ["200", "attempt 1", "verified"]
    assert lines[5][3:6] == ["200", "attempt 3", "verified"]


def test_act_3_charges_no_card_twice(told: Told) -> None:
    operator, payments = (columns(line) for line in told.act(3))
    assert operator[:4] == ["operator", "order.placed", "order-1", "202"]
    assert payments[2:6] == ["order-1", "200", "attempt 2", "verified"]
    assert payments[-1] == "known, the card is not charged twice"


def test_act_4_brings_the_past(told: Told) -> None:
    _, *loyalty, done = told.act(4)
    assert sorted(columns(line)[2] for line in loyalty) == ["order-1", "order-2"]
    assert {columns(line)[0] for line in loyalty} == {"loyalty"}
    assert done == "replay completed: 2 of 2 delivered"


def test_the_books_balance(told: Told) -> None:
    books = told.output.partition("The books")[2]
    assert "2 accepted = 0 unread + 0 matched nobody + 2 fanned out" in books
    assert "6 created  = 0 pending + 0 scheduled + 0 held + 6 delivered + 0 dead + 0 skipped" in books
    assert "balanced" in books


def test_every_process_has_a_log(told: Told, folder: Path) -> None:
    logs = {path.stem for path in (folder / ".hookline" / "logs").iterdir()}
    services = {"payments", "shipping", "loyalty"}
    assert logs == {"supervisor", "store", "gateway", "dispatcher-1", "worker"} | services


@pytest.fixture(scope="module")
def running(told: Told, folder: Path) -> Iterator[Command]:
    assert told.code == 0
    with Command(folder, ["demo"]) as command:
        command.wait_for("Ctrl-C stops everything", 90)
        yield command


def shell(command: str, folder: Path) -> str:
    ran = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_orders_go_on(running: Command) -> None:
    assert TITLES[2].format(first=3) in running.output
    assert re.search(r"loyalty +order\.placed +order-3 ", running.output)
    assert "order-1 " not in running.output


def test_the_printed_commands_work(running: Command, folder: Path) -> None:
    blocks = re.findall(r"^  # (.*)\n((?:  .*\\\n)*  .*)$", running.output, re.MULTILINE)
    printer, register, publish, deliveries, redeliver, ledger = (command for _, command in blocks)
    with (folder / "printer.txt").open("wb") as out:
        receiver = subprocess.Popen(
            ["sh", "-c", f"exec {printer.strip()}"],
            cwd=ROOT, env=clean_environment(), stdout=out, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: "listening" in (folder / "printer.txt").read_text(), 20, "the printer listens")
        assert json.loads(shell(register, folder))["id"] == "mine"
        event = json.loads(shell(publish, folder))["id"]
        wait_until(lambda: f"verified  order.placed  {event}" in (folder / "printer.txt").read_text(), 20, "printed")
        running.wait_for(r"payments +order\.placed +my-order +200 +attempt 1 +verified")
        listed = json.loads(shell(deliveries, folder))["data"]
        assert len(listed) == 5
        assert json.loads(shell(redeliver, folder))["delivery"]["id"].startswith("dlv_")
        running.wait_for(r"payments +order\.placed +order-3 +200 +attempt 3 +verified +known")
        assert "balanced" in shell(ledger, folder)
    finally:
        receiver.kill()
        receiver.wait()


def test_ctrl_c_stops_everything(running: Command) -> None:
    left = running.processes()
    assert running.interrupt() == 0
    assert not any(map(is_running, left))
    assert running.output.endswith("  stopped; the data stay in .hookline\n")
    assert running.errors == ""
