"""Rules of formats and signatures, and how they are shown."""

from typing import Any

import msgspec
import pytest

from gateway.api import fields
from gateway.api import signature_profiles as profiles
from gateway.api.endpoint_types import WritableEndpoint
from gateway.model.endpoint import Endpoint
from gateway.model.profile import ProfileTimestamp, SignatureProfile
from tests.support.sealed import secret, with_secrets

PLAIN = with_secrets(Endpoint("e", 1, "acme", "external", "https://a.example/"), secret("sec_1"))
TIMED = {"kind": "hmac", "header": "X-Sig", "timestamp": {"header": "X-Time"}}


def wrong(**body: Any) -> set[str]:
    read = fields.read({"url": "https://a.example/", **body}, WritableEndpoint)
    return {error.field for error in [*read.errors, *profiles.errors(read.values, "p.")]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"signatures": ["v1a"]},
        {"signatures": ["v1", "v1a"], "format": "raw"},
        {"signature_profile": None},
        {"signature_profile": {"kind": "stripe"}, "headers": {"x-team": "a", "ce-id": "1"}},
        {"signature_profile": {"kind": "github", "secret": "s3cret"}},
        {"signature_profile": {"kind": "stripe", "secret": "***", "algorithm": "sha256", "timestamp": None}},
        {"signature_profile": {**TIMED, "prefix": "v0=", "algorithm": "sha512", "encoding": "base64"}},
        {"signature_profile": {**TIMED, "key_encoding": "hex", "secret": "00ff"}},
        {"signature_profile": {**TIMED, "key_encoding": "base64"}},
        {"signature_profile": {"kind": "hmac", "header": "X-Sig", "timestamp": {"header": "t", "separator": ""}}},
        {"format": "cloudevents-binary", "headers": {"x-ce": "1"}},
    ],
)
def test_what_may_be(body: dict[str, Any]) -> None:
    assert wrong(**body) == set()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"signatures": []}, "signatures"),
        ({"signatures": ["v1", "v1"]}, "p.signatures"),
        ({"signatures": ["v2"]}, "signatures[0]"),
        ({"signatures": "v1"}, "signatures"),
        ({"format": "xml"}, "format"),
        ({"signature_profile": "stripe"}, "signature_profile"),
        ({"signature_profile": {}}, "signature_profile.kind"),
        ({"signature_profile": {"kind": "hmac"}}, "p.signature_profile.header"),
        ({"signature_profile": {"kind": "hmac", "header": "Webhook-Signature"}}, "p.signature_profile.header"),
        ({"signature_profile": {"kind": "hmac", "header": "Transfer-Encoding"}}, "p.signature_profile.header"),
        ({"signature_profile": {"kind": "hmac", "header": "a b"}}, "p.signature_profile.header"),
        ({"signature_profile": {"kind": "stripe", "header": "x-sig"}}, "p.signature_profile.header"),
        ({"signature_profile": {"kind": "github", "timestamp": {"header": "t"}}}, "p.signature_profile.timestamp"),
        ({"signature_profile": {**TIMED, "prefix": "a\r\nb"}}, "p.signature_profile.prefix"),
        ({"signature_profile": {**TIMED, "prefix": " a"}}, "p.signature_profile.prefix"),
        (
            {"signature_profile": {"kind": "hmac", "header": "X", "timestamp": {"header": "Host"}}},
            "p.signature_profile.timestamp.header",
        ),
        (
            {"signature_profile": {"kind": "hmac", "header": "X", "timestamp": {"header": "x"}}},
            "p.signature_profile.timestamp.header",
        ),
        (
            {"signature_profile": {"kind": "hmac", "header": "X", "timestamp": {"header": "t", "separator": "\n"}}},
            "p.signature_profile.timestamp.separator",
        ),
        ({"signature_profile": {**TIMED, "key_encoding": "hex"}}, "p.signature_profile.secret"),
        ({"signature_profile": {**TIMED, "key_encoding": "hex", "secret": "no"}}, "p.signature_profile.secret"),
        ({"signature_profile": {**TIMED, "key_encoding": "base64", "secret": "a-"}}, "p.signature_profile.secret"),
        ({"signature_profile": {"kind": "stripe"}, "headers": {"Stripe-Signature": "a"}}, "p.headers.Stripe-Signature"),
        ({"signature_profile": TIMED, "headers": {"x-time": "a"}}, "p.headers.x-time"),
        ({"format": "cloudevents-binary", "headers": {"CE-id": "a"}}, "p.headers.CE-id"),
        (
            {"format": "cloudevents-binary", "signature_profile": {"kind": "hmac", "header": "ce-sig"}},
            "p.signature_profile.header",
        ),
    ],
)
def test_what_may_not_be_is_named(body: dict[str, Any], named: str) -> None:
    assert wrong(**body) == {named}


def test_no_error_repeats_a_secret() -> None:
    given = {**TIMED, "key_encoding": "hex", "secret": "hunter2"}
    read = fields.read({"url": "u", "signature_profile": given}, WritableEndpoint)
    (error,) = profiles.errors(read.values)
    assert "hunter2" not in repr(error)
    for wrong_type in ("hunter2" * 50, ["hunter2"], 12345):
        body = {"url": "u", "signature_profile": {**given, "secret": wrong_type}}
        (error,) = fields.read(body, WritableEndpoint).errors
        assert error.field == "signature_profile.secret"
        assert "hunter2" not in repr(error)
        assert "12345" not in repr(error)


def shown(profile: SignatureProfile, own: str = "") -> Any:
    secrets = [secret("sec_1"), *([secret("sec_2", "profile", own)] if own else [])]
    endpoint = msgspec.structs.replace(with_secrets(PLAIN, *secrets), signature_profile=profile)
    return profiles.shown(endpoint)["signature_profile"]


def test_a_profile_is_shown_as_it_was_given_but_for_its_secret() -> None:
    assert profiles.shown(PLAIN) == {"format": "standard", "signatures": ["v1"], "signature_profile": None}
    assert shown(SignatureProfile("stripe")) == {"kind": "stripe"}
    assert shown(SignatureProfile("github"), "hunter2") == {"kind": "github", "secret": "***"}
    assert shown(SignatureProfile("hmac", "X-Sig", timestamp=ProfileTimestamp("X-Time"))) == {
        **TIMED, "algorithm": "sha256", "encoding": "hex", "prefix": "", "key_encoding": "utf8",
        "timestamp": {"header": "X-Time", "separator": ".", "prefix": ""},
    }  # fmt: skip


def test_a_patch_merges_a_profile_of_the_same_kind_only() -> None:
    endpoint = msgspec.structs.replace(PLAIN, signature_profile=SignatureProfile("stripe"))
    for body, kept in (
        ({}, True),
        ({"signature_profile": {"secret": "a"}}, True),
        ({"signature_profile": {"kind": "stripe"}}, True),
        ({"signature_profile": {"kind": "github"}}, False),
        ({"signature_profile": None}, True),
    ):
        assert (profiles.patched(endpoint, body)["signature_profile"] is not None) is kept
