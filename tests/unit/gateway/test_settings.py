"""Settings: read once from a mapping; what is unknown or unreadable is refused by name, value and way out."""

from pathlib import Path

import pytest

from gateway.settings import DEFAULT_SCHEDULE, Settings, SettingsError, load, parse_duration


def test_nothing_set_is_the_embedded_store() -> None:
    settings = load({"PATH": "/bin"})
    assert settings == Settings()
    assert settings.embedded
    assert settings.partition_count == 4
    assert settings.retry_schedule == DEFAULT_SCHEDULE


def test_values_are_parsed() -> None:
    settings = load({
        "HOOKLINE_REDIS_URL": "redis://example.com/0", "HOOKLINE_RETENTION": "12h", "HOOKLINE_RETRY_SCHEDULE": "1,2,3",
        "HOOKLINE_EGRESS_ALLOW": "10.0.0.0/8, 127.0.0.0/8", "HOOKLINE_PORT": "9000", "HOOKLINE_DATA": "/var/lib/h",
        "HOOKLINE_ACCEPT_DATA_LOSS": "1", "HOOKLINE_HOST": "",
    })  # fmt: skip
    assert (settings.retention, settings.retry_schedule, settings.port) == (43_200, (1, 2, 3), 9000)
    assert settings.egress_allow == ("10.0.0.0/8", "127.0.0.0/8")
    assert (settings.data, settings.accept_data_loss, settings.host) == (Path("/var/lib/h"), True, "127.0.0.1")
    assert (settings.embedded, settings.partition_count) == (False, 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOOKLINE_REDIS_URL", "http://x"),
        ("HOOKLINE_PORT", "0"),
        ("HOOKLINE_PORT", "http"),
        ("HOOKLINE_PARTITIONS", "257"),
        ("HOOKLINE_RETENTION", "a week"),
        ("HOOKLINE_RETRY_SCHEDULE", "0"),
        ("HOOKLINE_RETRY_SCHEDULE", "1,,2"),
        ("HOOKLINE_EGRESS_ALLOW", "10.0.0.1/8"),
        ("HOOKLINE_EGRESS_PROXY_CHECKS", "theirs"),
        ("HOOKLINE_ACCEPT_DATA_LOSS", "yes"),
        ("HOOKLINE_DEADLINE_SECONDS", "301"),
        ("HOOKLINE_HOLD_LIMIT", "0"),
        ("HOOKLINE_HOLD_LIMIT", "10000001"),
        ("HOOKLINE_ORDER_LIMIT", "0"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    assert name in str(caught.value)
    assert value in str(caught.value)
    assert caught.value.code == "settings_invalid"


def test_what_is_held_is_limited() -> None:
    assert (Settings().hold_limit, Settings().order_limit) == (100_000, 10_000)
    settings = load({"HOOKLINE_HOLD_LIMIT": "10000000", "HOOKLINE_ORDER_LIMIT": "1"})
    assert (settings.hold_limit, settings.order_limit) == (10_000_000, 1)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"HOOKLINE_RETENTON is not a setting.*HOOKLINE_RETENTION"):
        load({"HOOKLINE_RETENTON": "7d"})


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1.5h", "1w", "1 h", "٣"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


def test_a_proxy_is_parsed_and_its_password_in_no_text() -> None:
    settings = load({"HOOKLINE_EGRESS_PROXY": "http://me:secret@proxy:3128", "HOOKLINE_EGRESS_PROXY_CHECKS": "proxy"})
    assert str(settings.egress_proxy) == "proxy:3128"
    assert settings.egress_proxy_checks == "proxy"
    assert "secret" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        load({"HOOKLINE_EGRESS_PROXY": "https://me:secret@proxy:3128"})
    assert "HOOKLINE_EGRESS_PROXY is (hidden): expected http://" in str(caught.value)
    assert "secret" not in str(caught.value)
