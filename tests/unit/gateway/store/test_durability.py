from typing import Any

import pytest

from gateway.store import durability

INFO: dict[str, Any] = {
    "redis_version": "7.2.4",
    "role": "master",
    "aof_enabled": 1,
    "maxmemory": 1_000_000,
    "maxmemory_policy": "noeviction",
}
SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "aof-load-truncated": "yes",
    "maxmemory": "1000000",
    "maxmemory-policy": "noeviction",
}


def codes(info: dict[str, Any] | None = None, settings: dict[str, str] | None = None) -> list[str]:
    risks = durability.judge({**INFO, **(info or {})}, {**SETTINGS, **(settings or {})})
    return [risk.code for risk in risks]


def test_a_durable_store_has_no_risk() -> None:
    assert codes() == []


@pytest.mark.parametrize("version", ["7.0.0", "7.2.4", "8.0.1", "10.1"])
def test_versions_from_7_0_are_good(version: str) -> None:
    assert codes({"redis_version": version}) == []


@pytest.mark.parametrize("version", ["6.2.14", "5.0", "", "unstable"])
def test_an_older_or_unreadable_version_is_fatal(version: str) -> None:
    (risk,) = durability.judge({**INFO, "redis_version": version}, SETTINGS)
    assert (risk.code, risk.fatal) == ("version", True)


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("appendonly", "no", "aof_off"),
        ("appendfsync", "everysec", "fsync_not_always"),
        ("no-appendfsync-on-rewrite", "yes", "fsync_paused_on_rewrite"),
        ("aof-load-truncated", "no", "truncated_aof_refused"),
        ("maxmemory", "0", "no_memory_limit"),
        ("maxmemory-policy", "allkeys-lru", "evicts"),
    ],
)
def test_each_setting_has_its_reason_that_names_value_and_way_out(setting: str, value: str, code: str) -> None:
    (risk,) = durability.judge(INFO, {**SETTINGS, setting: value})
    assert (risk.code, risk.fatal) == (code, False)
    assert setting in risk.text
    assert value in risk.text
    assert f"CONFIG SET {setting}" in risk.text


def test_hidden_settings_are_judged_by_info_and_the_rest_is_unknown() -> None:
    (risk,) = durability.judge(INFO, {})
    assert risk.code == "unknown"
    for name in ("appendfsync always", "no-appendfsync-on-rewrite no", "aof-load-truncated yes"):
        assert name in risk.text
    assert "maxmemory" not in risk.text
    bad = {**INFO, "aof_enabled": 0, "maxmemory": 0, "maxmemory_policy": "volatile-ttl"}
    assert [risk.code for risk in durability.judge(bad, {})] == ["aof_off", "evicts", "no_memory_limit", "unknown"]


def test_a_store_that_hides_all_is_unknown_in_all() -> None:
    (risk,) = durability.judge({"redis_version": "7.0", "role": "master"}, {})
    assert "maxmemory above 0" in risk.text


def test_a_refusal_lists_every_reason_and_offers_the_flag_only_where_it_helps() -> None:
    risks = durability.judge({**INFO, "maxmemory": 0}, {**SETTINGS, "appendonly": "no", "maxmemory": "0"})
    text = str(durability.DurabilityRefused(tuple(risks)))
    assert "aof_off" in text
    assert "no_memory_limit" in text
    assert "--accept-data-loss" in text
    fatal = durability.judge({**INFO, "role": "slave"}, SETTINGS)
    assert "--accept-data-loss" not in str(durability.DurabilityRefused(tuple(fatal)))


def test_memory_share_is_zero_without_a_limit() -> None:
    assert durability.Memory(50, 0).share == 0.0
    assert durability.Memory(50, 200).share == 0.25
