"""The doctor's conclusions as a whole."""

from gateway.cli.doctor import judging
from gateway.cli.doctor.findings import Level
from tests.unit.gateway.cli.doctor.sound import facts, subject

CHANGED = "HOOKLINE_REDIS_URL=redis://store, HOOKLINE_PARTITIONS=2, HOOKLINE_ENCRYPTION_KEYS=(hidden)"


def test_a_sound_system_has_one_good_line_for_each_part() -> None:
    findings = judging.judge(facts(endpoints=[subject()]))
    assert judging.attention(findings) == 0
    assert {finding.level for finding in findings} == {Level.OK}
    assert [(finding.subject, finding.text) for finding in findings] == [
        ("store", "durable: each write is on disk before its answer"),
        ("memory", "10 MB of 100 MB (10%), nothing comes that would fill it"),
        (
            "settings",
            f"differ from the defaults: {CHANGED}",
        ),
        ("clocks", "within 4 ms of the store's"),
        ("dispatchers", "1 alive, all 2 partitions are owned"),
        ("log", "every event was handled"),
        ("deliveries", "7 delivered"),
        ("endpoints", "1 in order"),
    ]
    assert all(finding.way_out == "" for finding in findings)
