"""What the doctor prints."""

import io

import pytest

from gateway import settings as configuration
from gateway.cli import console as look
from gateway.cli import doctor
from gateway.cli.checkup import Finding


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
    assert doctor.shown(name, value) == text


def test_only_what_differs_is_listed() -> None:
    file = io.StringIO()
    doctor.show_settings(look.make(file), configuration.load({"HOOKLINE_PORT": "8081"}))
    assert file.getvalue() == "\nSettings that are not the default\n  HOOKLINE_PORT  8081\n"
    file = io.StringIO()
    doctor.show_settings(look.make(file), configuration.load({}))
    assert file.getvalue() == "\nAll settings are the default\n"


def test_findings_are_rows() -> None:
    file = io.StringIO()
    doctor.show(look.make(file), [Finding(False, "store", "durable"), Finding(True, "dispatchers", "none\x07")])
    assert file.getvalue() == "  ok    store        durable\n  risk  dispatchers  none\\x07\n"
