"""Findings about settings, store, memory and clocks."""

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor import setup
from gateway.cli.doctor.facts import Store
from gateway.cli.doctor.findings import MB, Finding, Level
from gateway.egress import proxies
from gateway.settings import Settings
from gateway.store import vitals
from gateway.store.durability import Memory, Risk
from tests.unit.gateway.cli.doctor.sound import NOW, dispatcher, facts, subject

GIVEN: dict[str, Any] = {"redis_url": "redis://store", "partitions": 2, "encryption_keys": "k1:AAAA"}


def settings(**given: Any) -> list[Finding]:
    """What is said about these settings, but for what is in order."""
    found = list(setup.judge_settings(facts(settings=Settings(**{**GIVEN, **given}))))
    return [finding for finding in found if finding.level is not Level.OK]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("encryption_keys", "k1:AAAA", "(hidden)"),
        ("redis_url", "redis://user:pass@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis_url", "rediss://:pass@host", "rediss://:***@host"),
        ("redis_url", "unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("egress_allow", ("10.0.0.0/8", "127.0.0.0/8"), "10.0.0.0/8,127.0.0.0/8"),
        ("port", 8081, "8081"),
    ],
)
def test_no_secret_is_shown(name: str, value: object, text: str) -> None:
    assert setup.shown(name, value) == text


def test_only_what_differs_is_listed() -> None:
    assert setup.changed(Settings()) == []
    assert setup.changed(Settings(port=8081)) == [("HOOKLINE_PORT", "8081")]
    plain = facts(settings=Settings(), store=Store([], {}, 4))
    assert [finding.text for finding in setup.judge_settings(plain)] == ["all are the default"]


def test_accepted_data_loss_is_a_risk() -> None:
    (finding,) = settings(accept_data_loss=True)
    assert (finding.level, finding.code) == (Level.RISK, "accept_data_loss")
    assert finding.way_out == "make the store durable (deploy/redis.conf) and leave the setting out"


@pytest.mark.parametrize(
    ("hours", "risk"), [(24, False), (141, True)], ids=["within the retention", "longer with its jitter"]
)
def test_a_schedule_that_outlives_the_retention(hours: int, risk: bool) -> None:
    found = settings(retry_schedule=(hours * 3_600,), disable_after=10**7)
    assert [finding.code for finding in found] == (["schedule_outlives_retention"] if risk else [])
    if risk:
        assert found[0].text.startswith(
            "HOOKLINE_RETRY_SCHEDULE lasts up to 7 days, longer than HOOKLINE_RETENTION (7 d"
        )
        assert found[0].data == {"schedule_seconds": 609_120, "retention_seconds": 604_800}


def test_an_endpoint_that_is_disabled_before_its_schedule_ends_is_noted() -> None:
    (finding,) = settings(disable_after=3_600)
    assert (finding.level, finding.code) == (Level.NOTE, "disabled_before_exhausted")
    assert "HOOKLINE_DISABLE_AFTER (1 hour) ends before the retry schedule (3 days)" in finding.text


@pytest.mark.parametrize(
    ("networks", "wide"),
    [
        (("10.0.0.0/8", "127.0.0.1/32", "fd00::/16"), []),
        (("0.0.0.0/0", "10.0.0.0/8"), ["0.0.0.0/0"]),
        (("::/0",), ["::/0"]),
    ],
)
def test_an_allow_list_that_allows_nearly_everything(networks: tuple[str, ...], wide: list[str]) -> None:
    found = settings(egress_allow=networks)
    assert [finding.data["networks"] for finding in found] == ([wide] if wide else [])


def test_who_checks_addresses_behind_a_proxy_is_said() -> None:
    proxy = proxies.parse("http://me:secret@proxy:3128")
    _, ours = setup.judge_settings(facts(settings=Settings(**GIVEN, egress_proxy=proxy)))
    assert (ours.level, "vetted here" in ours.text) == (Level.OK, True)
    (theirs,) = settings(egress_proxy=proxy, egress_proxy_checks="proxy")
    assert (theirs.level, theirs.code, theirs.data) == (Level.NOTE, "egress_checks_proxy", {"proxy": "proxy:3128"})
    assert "must itself refuse private addresses" in theirs.text
    assert "secret" not in f"{ours}{theirs}"


def test_a_certificate_file_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = settings(ca_file=tmp_path / "ca.pem")
    assert finding.code == "ca_file_missing"
    (tmp_path / "ca.pem").write_text("", "ascii")
    assert settings(ca_file=tmp_path / "ca.pem") == []


def test_another_partition_count_than_that_of_the_store() -> None:
    (finding,) = settings(partitions=16)
    assert (finding.code, finding.way_out) == ("partition_count", "set HOOKLINE_PARTITIONS=2")
    never = facts(settings=Settings(**{**GIVEN, "partitions": 16}), store=Store([], {}, None))
    assert {finding.level for finding in setup.judge_settings(never)} == {Level.OK}


def test_dispatchers_without_work_are_noted() -> None:
    many = facts(dispatchers=[dispatcher(f"d{number}", alive=number < 3) for number in range(4)])
    assert [finding.text for finding in setup.judge_settings(many)][1:] == [
        "3 dispatchers share 2 partitions: 1 of them have nothing to do"
    ]


def test_no_key_for_signing_secrets() -> None:
    (finding,) = setup.judge_settings(facts(vault="HOOKLINE_ENCRYPTION_KEYS is not set", endpoints=[subject()]))
    assert (finding.level, finding.code) == (Level.RISK, "encryption_keys_missing")
    assert finding.text.endswith("HOOKLINE_ENCRYPTION_KEYS is not set, and the secrets of 1 endpoint are sealed")
    assert finding.way_out == ("give this command, and every process, the HOOKLINE_ENCRYPTION_KEYS of the deployment")


def test_a_key_that_sealed_secrets_and_is_not_given() -> None:
    closed = [subject(id=name, sealed="key 'k0' is not among k1") for name in ("ep_1", "ep_2")]
    (finding,) = setup.judge_settings(facts(endpoints=[*closed, subject(id="ep_3")]))
    assert (finding.code, finding.data["endpoints"]) == ("encryption_key_unknown", ["ep_1", "ep_2"])
    assert finding.text.endswith("so nothing can be signed for them: key 'k0' is not among k1")


def test_each_risk_of_the_store_is_named_with_its_way_out() -> None:
    risks = [
        Risk("aof_off", "appendonly is 'no': nothing is on disk; CONFIG SET it"),
        Risk("unknown", "CONFIG is hidden"),
    ]
    first, second = setup.judge_store(facts(store=Store(risks, {}, 2)))
    assert (first.level, first.code, first.text) == (Level.RISK, "aof_off", "appendonly is 'no': nothing is on disk")
    assert first.way_out == "CONFIG SET it"
    assert second.way_out == "have it set so, or accept the risk with HOOKLINE_ACCEPT_DATA_LOSS=1"


def test_a_store_whose_last_write_failed() -> None:
    statuses = {"aof_last_write_status": "err", "aof_last_bgrewrite_status": "ok"}
    (finding,) = setup.judge_store(facts(store=Store([], statuses, 2)))
    assert (finding.code, finding.level) == ("aof_write_failed", Level.RISK)


def filling(used: int, accepted: int = 0) -> Finding:
    """The finding about 100 MB of which so many are used, with 1,000 events, and so many accepted in this hour."""
    hour = NOW // 3_600_000
    one = vitals.Partition(0, {b"%d:accepted" % hour: b"%d" % accepted}, 1_000, 0.0, {})
    taken = vitals.Snapshot(hour * 3_600_000 + 1_800_000, Memory(used * MB, 100 * MB), MB, [one])
    (finding,) = setup.judge_memory(facts(vitals=taken))
    return finding


@pytest.mark.parametrize(
    ("used", "code", "effect"),
    [
        (79, "memory", ""),
        (80, "memory_full", ": the oldest delivered events go early"),
        (95, "memory_full", ": publishers get 503 and the oldest delivered events go early"),
    ],
)
def test_memory(used: int, code: str, effect: str) -> None:
    finding = filling(used)
    assert finding.code == code
    assert finding.text.endswith("nothing comes that would fill it" + effect)
    assert ("maxmemory" in finding.way_out) is bool(effect)


def test_hours_until_full_at_the_present_rate() -> None:
    # 10 MB for 1,000 events; 79 MB of room are 7,900 events; 1,800 in half an hour are 1 each second
    finding = filling(11, 1_800)
    assert (finding.level, finding.code) == (Level.RISK, "memory_full_soon")
    assert finding.text == "11 MB of 100 MB (11%), full in 2 hours at the present rate"
    assert finding.data["hours_until_full"] == 2.19
    finding = filling(11, 100)
    assert (finding.level, finding.text) == (Level.OK, "11 MB of 100 MB (11%), full in 1 day at the present rate")


def test_a_nearly_empty_store_is_no_ground_for_a_forecast() -> None:
    finding = filling(9, 1_800)
    assert (finding.level, finding.text) == (Level.OK, "9 MB of 100 MB (9%), full in 2 hours at the present rate")


def test_memory_without_a_limit_is_told() -> None:
    (finding,) = setup.judge_memory(facts(memory=Memory(5, 0)))
    assert (finding.level, finding.text) == (Level.OK, "0.0 MB used, no limit is known")


def test_clocks_that_differ_are_named() -> None:
    there = [dispatcher("d1", ahead_ms=90_000), dispatcher("d2", ahead_ms=None), dispatcher("d3", ahead_ms=-5_000)]
    dead = dispatcher("d4", alive=False, ahead_ms=10**9)
    ours, theirs = setup.judge_clocks(facts(ahead_ms=-3_700_000, dispatchers=[*there, dead]))
    assert (ours.level, ours.code) == (Level.RISK, "clock_differs")
    assert ours.text.startswith("the clock of this machine is 1 hour behind the store's")
    assert theirs.text.startswith("the clock of dispatcher d1 is 1 minute ahead of the store's")
    assert theirs.data == {"of": "dispatcher d1", "ahead_ms": 90_000}
    (finding,) = setup.judge_clocks(facts(ahead_ms=-120))
    assert (finding.level, finding.text) == (Level.OK, "within 120 ms of the store's")
