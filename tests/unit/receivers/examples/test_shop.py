"""The demo's services, without a network."""

import json
from typing import Any

import pytest

from receivers import generate_secret, sign
from receivers.clock import wall_seconds
from receivers.examples import shop
from receivers.receiver import Receiver

SECRET = generate_secret()


class Told:
    """A service and what it emitted."""

    def __init__(self, name: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self.receiver: Receiver = shop.build(name, SECRET, lambda line: self.lines.append(dict(line)))

    async def send(self, webhook_id: str = "evt_1", secret: str = SECRET, **event: Any) -> dict[str, Any]:
        members = {"type": "order.placed", "subject": "order-1", "data": {"total": "25.00 EUR"}, **event}
        body, now = json.dumps(members).encode(), int(wall_seconds())
        headers = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, webhook_id, now, body),
            "webhook-attempt": "2",
        }
        await self.receiver.handle(body, headers)
        return self.lines[-1]


async def test_a_handled_order_is_told_in_one_line() -> None:
    line = await Told("payments").send()
    assert line.pop("at_ms") > 1_600_000_000_000
    assert line == {
        "service": "payments", "outcome": "handled", "status": 200, "verified": True, "id": "evt_1",
        "type": "order.placed", "subject": "order-1", "attempt": 2, "note": "card charged, 25.00 EUR",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "first", "again"),
    [
        ("payments", "card charged, 25.00 EUR", "known, the card is not charged twice"),
        ("shipping", "parcel booked", "known, no second parcel"),
        ("loyalty", "10 points more, 10 in all", "known, no points twice"),
    ],
)
async def test_a_repeat_is_recognised(name: str, first: str, again: str) -> None:
    service = Told(name)
    assert (await service.send())["note"] == first
    repeated = await service.send()
    assert (repeated["outcome"], repeated["status"], repeated["note"]) == ("duplicate", 200, again)


async def test_the_next_order_counts_on() -> None:
    service = Told("loyalty")
    await service.send("evt_1")
    assert (await service.send("evt_2"))["note"] == "10 points more, 20 in all"


async def test_a_forged_request_is_not_verified() -> None:
    line = await Told("shipping").send(secret=generate_secret())
    assert (line["outcome"], line["status"], line["verified"]) == ("refused", 401, False)
    assert line["note"].startswith("signature")


async def test_other_events_are_nobodys_business() -> None:
    line = await Told("shipping").send(type="invoice.paid")
    assert (line["outcome"], line["verified"], line["note"]) == ("ignored", True, "nothing here handles invoice.paid")


@pytest.mark.parametrize("data", [None, 7, [], {"total": None}])
async def test_whatever_the_order_holds_is_handled(data: Any) -> None:
    assert (await Told("payments").send(data=data))["outcome"] == "handled"


def test_without_a_secret_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.main(["--name", "payments", "--port", "0"], {}) == 1
    assert capsys.readouterr().err.startswith("payments: ")
