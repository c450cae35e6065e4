"""Each kind of fault, shown by a made-up ledger: the harness must see what it is there to see."""

import json
from pathlib import Path

from tests.support.ledger import Findings, Published, Received, Settled, audit, read_published, read_received

ACKNOWLEDGED = Published("e1", "aa", 1.0, 1.1)
GOOD = Received("e1", "pay", 1, "aa", signature_ok=True, status=200, t=2.0)
DELIVERED = Settled("e1", "pay", "delivered")


def look(
    published: list[Published], received: list[Received], settled: list[Settled] | None, endpoints: tuple[str, ...]
) -> Findings:
    return audit(published, received, settled, endpoints)


def received(**changes: object) -> Received:
    fields = {
        "id": "e1",
        "endpoint": "pay",
        "attempt": 1,
        "sha256": "aa",
        "signature_ok": True,
        "status": 200,
        "t": 2.0,
    }
    return Received(**{**fields, **changes})  # type: ignore[arg-type]  # tests give each field its own type


def test_a_delivered_event_is_no_fault() -> None:
    findings = look([ACKNOWLEDGED], [GOOD], [DELIVERED], ("pay",))
    assert findings.faultless
    assert findings.report()["acknowledged"] == 1
    assert findings.report()["examples"] == {}


def test_an_acknowledged_event_that_never_came_is_lost_at_each_endpoint() -> None:
    findings = look([ACKNOWLEDGED], [GOOD], None, ("pay", "ship"))
    assert findings.lost == {("e1", "ship")}
    assert not findings.faultless


def test_a_refused_request_is_not_a_delivery() -> None:
    assert look([ACKNOWLEDGED], [received(status=500)], None, ("pay",)).lost == {("e1", "pay")}


def test_a_dead_letter_is_kept_and_not_lost() -> None:
    findings = look([ACKNOWLEDGED], [received(status=500)], [Settled("e1", "pay", "dead")], ("pay",))
    assert findings.faultless
    assert findings.dead == 1


def test_a_later_event_of_its_key_that_was_answered_first_is_disorder_and_a_late_duplicate_is_not() -> None:
    first = received(id="e1", key="k", sequence=1, t=2.0)
    second = received(id="e2", key="k", sequence=2, t=3.0)
    other = received(id="e3", key="other", sequence=1, t=4.0)
    assert not look([], [first, second, received(id="e1", key="k", sequence=1, t=5.0), other], None, ()).disordered
    late = received(id="e1", key="k", sequence=1, t=9.0)
    assert look([], [received(id="e1", key="k", sequence=1, status=500, t=1.0), second, late], None, ()).disordered == {
        ("e1", "pay")
    }
    unkeyed = [received(id="e2", sequence=2, t=1.0), received(id="e1", sequence=1, t=2.0)]
    assert not look([], unkeyed, None, ()).disordered


def test_an_event_that_nobody_sent_is_a_phantom() -> None:
    findings = look([ACKNOWLEDGED], [GOOD, received(id="e9", sha256="zz")], None, ("pay",))
    assert findings.phantom == {("e9", "pay")}


def test_an_event_without_an_answer_may_come_or_not() -> None:
    given = Published("e2", "bb", 1.0, None)
    made = Published(None, "cc", 1.0, None)
    came = [GOOD, received(id="e2", sha256="bb"), received(id="evt_made", sha256="cc")]
    assert look([ACKNOWLEDGED, given, made], came, None, ("pay",)).faultless
    assert look([ACKNOWLEDGED, given, made], [GOOD], None, ("pay",)).faultless


def test_what_is_still_open_is_unsettled_and_not_lost() -> None:
    findings = look([ACKNOWLEDGED], [received(status=500)], [Settled("e1", "pay", "scheduled")], ("pay",))
    assert not findings.lost
    assert findings.unsettled == {("e1", "pay")}


def test_delivered_in_the_system_alone_is_lost() -> None:
    assert look([ACKNOWLEDGED], [], [DELIVERED], ("pay",)).lost == {("e1", "pay")}


def test_other_bytes_are_corrupt() -> None:
    assert look([ACKNOWLEDGED], [received(sha256="ab")], None, ("pay",)).corrupt == {("e1", "pay")}


def test_requests_after_a_success_are_duplicates_and_retries_are_not() -> None:
    retried = [received(status=500), received(attempt=2, t=3.0)]
    assert look([ACKNOWLEDGED], retried, None, ("pay",)).duplicated == 0
    findings = look([ACKNOWLEDGED], [*retried, received(attempt=2, t=4.0)], None, ("pay",))
    assert findings.duplicated == 1
    assert findings.faultless


def test_a_bad_signature_is_forged() -> None:
    assert look([ACKNOWLEDGED], [received(signature_ok=False)], None, ("pay",)).forged == {("e1", "pay")}


def test_no_state_two_states_and_open_states_are_unsettled() -> None:
    unsettled = {("e1", "pay")}
    assert look([ACKNOWLEDGED], [GOOD], [], ("pay",)).unsettled == unsettled
    assert look([ACKNOWLEDGED], [GOOD], [DELIVERED, DELIVERED], ("pay",)).unsettled == unsettled
    assert look([ACKNOWLEDGED], [GOOD], [Settled("e1", "pay", "scheduled")], ("pay",)).unsettled == unsettled


def test_an_open_delivery_of_an_event_without_an_answer_is_unsettled_too() -> None:
    uncertain = Published("e2", "bb", 1.0, None)
    findings = look([uncertain], [], [Settled("e2", "pay", "pending")], ("pay",))
    assert findings.unsettled == {("e2", "pay")}


def test_delivered_without_an_answer_disagrees() -> None:
    findings = look([ACKNOWLEDGED], [received(status=500)], [DELIVERED], ("pay",))
    assert findings.disagreeing == {("e1", "pay")}


def test_files_are_read_back(tmp_path: Path) -> None:
    out, seen = tmp_path / "out", tmp_path / "in"
    out.write_text(json.dumps({"id": "e1", "sha256": "aa", "t_send": 1.0, "t_ack": 1.1}) + "\n")
    line = {"webhook-id": "e1", "endpoint": "pay", "attempt": 1, "sha256": "aa", "signature_ok": True}
    seen.write_text(json.dumps({**line, "status": 200, "t": 2.0}) + "\n")
    assert read_published(out) == [ACKNOWLEDGED]
    assert read_received(seen) == [GOOD]
    assert read_published(tmp_path / "absent") == []
