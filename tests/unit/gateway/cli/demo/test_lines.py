"""How the story looks."""

import io

import pytest

from gateway.cli import console as look
from gateway.cli.demo import lines

HANDLED = {
    "service": "payments", "outcome": "handled", "status": 200, "verified": True, "type": "order.placed",
    "subject": "order-1", "attempt": 1, "at_ms": 1_006.25, "note": "card charged, 25.00 EUR",
}  # fmt: skip


def printed(*shown: lines.Line) -> str:
    file = io.StringIO()
    for line in shown:
        lines.show(look.make(file), line)
    return file.getvalue()


def test_a_service_line_says_event_status_attempt_proof_and_time() -> None:
    text = printed(lines.of_service(HANDLED, 1_000.0))
    assert text.split() == [
        "payments", "order.placed", "order-1", "200", "attempt", "1", "verified", "6.2", "ms",
        "card", "charged,", "25.00", "EUR",
    ]  # fmt: skip


def test_columns_are_aligned_under_their_heads() -> None:
    file = io.StringIO()
    lines.heads(look.make(file))
    heads = file.getvalue().strip("\n")
    ok = printed(lines.of_service(HANDLED, 1_000.0)).rstrip("\n")
    failed = printed(lines.Line("shipping", "order.placed", "order-2", None, 2, "connection refused", 1_204.0)).rstrip()
    for head, cell in (("who", "payments"), ("event", "order.placed"), ("order  ", "order-1"), ("answer", "200")):
        assert heads.index(head) == ok.index(cell)
    assert heads.endswith("after")
    assert len(heads) == len(failed)
    assert failed.endswith("1,204 ms")


def test_a_forged_request_and_a_line_without_a_start() -> None:
    text = printed(lines.of_service({**HANDLED, "verified": False, "status": 401}, None))
    assert "not verified" in text
    assert " ms" not in text


def test_text_of_an_event_cannot_write_to_the_terminal() -> None:
    text = printed(lines.of_service({**HANDLED, "note": "\x1b[2J", "subject": "a\nb"}, None))
    assert "\x1b" not in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.04, "0.0 ms"), (99.94, "99.9 ms"), (2_134.4, "2,134 ms")])
def test_milliseconds(value: float | None, text: str) -> None:
    assert lines.milliseconds(value) == text


def test_titles_are_numbered() -> None:
    file = io.StringIO()
    lines.title(look.make(file), 2, "Shipping is down")
    lines.aside(look.make(file), "shipping is back")
    assert file.getvalue() == "\n2  Shipping is down\n\n   shipping is back\n"
