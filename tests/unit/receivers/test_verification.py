"""Verification: every forgery of the fault list, and only one kind of error whatever comes in."""

import base64
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receivers import secrets
from receivers.errors import SecretError, VerificationError
from receivers.headers import RawHeaders
from receivers.signing import sign
from receivers.verification import Verified, Verifier, verify
from tests.support.webhooks import BODY, SECRET, SIGNATURE, TIMESTAMP, WEBHOOK_ID, signed_headers

RAW = base64.b64decode(SIGNATURE.removeprefix("v1,"))
OTHER = secrets.generate_secret()


def at(seconds: float = TIMESTAMP) -> Verifier:
    return Verifier(SECRET, now=lambda: seconds)


def code_of(headers: RawHeaders, body: bytes = BODY, verifier: Verifier | None = None) -> str:
    with pytest.raises(VerificationError) as raised:
        (verifier or at()).verify(body, headers)
    return raised.value.code


def with_signature(signature: str) -> dict[str, str]:
    return {**signed_headers(BODY), "webhook-signature": signature}


def encoded(signature: bytes) -> str:
    return base64.b64encode(signature).decode()


def test_a_genuine_request() -> None:
    headers = signed_headers(BODY, webhook_attempt="3")
    assert at().verify(BODY, headers) == Verified(WEBHOOK_ID, TIMESTAMP, 3, "v1", 0)
    assert verify(BODY, list(headers.items()), SECRET, now=lambda: TIMESTAMP).id == WEBHOOK_ID


@pytest.mark.parametrize("attempt", ["0", "-1", "x", "", " 1", "1_0", "٣", "9" * 12])
def test_a_malformed_attempt_is_no_attempt(attempt: str) -> None:
    assert at().verify(BODY, signed_headers(BODY, webhook_attempt=attempt)).attempt is None


@pytest.mark.parametrize(
    "signature",
    [
        "v1",
        "v1,",
        "v1,abc",
        "v1,a,b",
        "v1," + encoded(RAW)[:-1],
        "v1," + encoded(RAW)[:-4],
        "v1," + encoded(RAW[:31]),
        "v1," + encoded(RAW + b"\0"),
        "v1," + encoded(RAW[:31] + bytes([RAW[31] ^ 1])),
        "v1," + encoded(RAW).rstrip("="),
        "v1," + encoded(RAW) + "=",
        "v1," + encoded(RAW) + "\n",
        "v1, " + encoded(RAW),
        "v1,\t" + encoded(RAW),
        "V1," + encoded(RAW),
        "v2," + encoded(RAW),
        "v1a," + encoded(RAW),
        "v1a," + encoded(RAW + RAW),
        "," + encoded(RAW),
        encoded(RAW),
        "v1=" + encoded(RAW),
        "v1," + encoded(RAW) + "," + encoded(RAW),
        "v1," + base64.b64encode(RAW, altchars=b"-_").decode(),
        "v1," + RAW.hex(),
        SIGNATURE + ",v1",
        SIGNATURE + ";" + SIGNATURE,
    ],
)
def test_what_looks_like_the_signature_is_not(signature: str) -> None:
    assert code_of(with_signature(signature)) == "signature_mismatch"


@pytest.mark.parametrize("signature", ["", "é", SIGNATURE + " é", "v1," + "A" * 5000, " ".join([SIGNATURE] * 17)])
def test_signature_headers_that_are_not_read(signature: str) -> None:
    assert code_of(with_signature(signature)) == "signature_invalid"


def test_ten_thousand_signatures_are_not_tried() -> None:
    assert code_of(with_signature(" ".join(["v1,AAAA"] * 10_000))) == "signature_invalid"


@pytest.mark.parametrize(
    "signature",
    [
        f"{sign(OTHER, WEBHOOK_ID, TIMESTAMP, BODY)} {SIGNATURE}",
        f"{SIGNATURE} {sign(OTHER, WEBHOOK_ID, TIMESTAMP, BODY)}",
        f"v1,garbage {SIGNATURE}",
        f"v1a,garbage v2,{encoded(RAW)} {SIGNATURE}",
        f"v9,{'x' * 200} {SIGNATURE}",
        f" {SIGNATURE} ",
        " ".join(["v1,x"] * 15 + [SIGNATURE]),
    ],
)
def test_one_good_signature_among_others_is_enough(signature: str) -> None:
    assert at().verify(BODY, with_signature(signature)).version == "v1"


@pytest.mark.parametrize(
    "timestamp",
    [
        *["1e9", "1_7", " 1", "1 ", "+1", "-1", ".9", "1.0", "nan", "inf", "", "0x10", "1" * 13],
        *["١٦١٤٢٦٥٣٣٠", "１６１４２６５３３０", "1614265330\n", "1614265330.0", "1,614"],  # noqa: RUF001 - other digits
    ],
)
def test_timestamps_that_are_not_read(timestamp: str) -> None:
    assert code_of({**signed_headers(BODY), "webhook-timestamp": timestamp}) == "timestamp_invalid"


def test_the_timestamp_is_signed_as_it_is_written() -> None:
    assert code_of({**signed_headers(BODY), "webhook-timestamp": f"00{TIMESTAMP}"}) == "signature_mismatch"
    assert code_of({**signed_headers(BODY), "webhook-timestamp": f"{TIMESTAMP + 1}"}) == "signature_mismatch"


@pytest.mark.parametrize(("age", "code"), [(300.5, "timestamp_too_old"), (-300.5, "timestamp_too_new")])
def test_outside_the_tolerance(age: float, code: str) -> None:
    assert code_of(signed_headers(BODY), verifier=at(TIMESTAMP + age)) == code


@pytest.mark.parametrize("age", [300, 0, -300])
def test_inside_the_tolerance(age: float) -> None:
    assert at(TIMESTAMP + age).verify(BODY, signed_headers(BODY)).timestamp == TIMESTAMP


def test_a_message_from_the_future_stays_valid_for_twice_the_tolerance() -> None:
    headers = signed_headers(BODY, timestamp=TIMESTAMP + 299)
    assert at(TIMESTAMP).verify(BODY, headers)
    assert at(TIMESTAMP + 599).verify(BODY, headers)
    assert code_of(headers, verifier=at(TIMESTAMP + 600)) == "timestamp_too_old"


def test_the_tolerance_is_a_setting() -> None:
    verifier = Verifier(SECRET, tolerance_seconds=10, now=lambda: TIMESTAMP + 11)
    assert code_of(signed_headers(BODY), verifier=verifier) == "timestamp_too_old"
    for impossible in (-1, math.nan):
        with pytest.raises(ValueError, match="tolerance_seconds"):
            Verifier(SECRET, tolerance_seconds=impossible)


@pytest.mark.parametrize("webhook_id", ["", " ", "a b", "é", "a\n", "\x7f", "a" * 257])
def test_ids_that_are_not_read(webhook_id: str) -> None:
    assert code_of({**signed_headers(BODY), "webhook-id": webhook_id}) == "id_invalid"


@pytest.mark.parametrize("webhook_id", ["a", "a" * 256, "msg.with.dots", "!~", "evt_1:r2"])
def test_ids_of_visible_ascii(webhook_id: str) -> None:
    assert at().verify(BODY, signed_headers(BODY, webhook_id=webhook_id)).id == webhook_id


def test_another_id_does_not_fit() -> None:
    assert code_of({**signed_headers(BODY), "webhook-id": "msg_other"}) == "signature_mismatch"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_comes_exactly_once(name: str) -> None:
    headers = signed_headers(BODY)
    assert code_of([*headers.items(), (name.title(), headers[name])]) == "header_repeated"
    del headers[name]
    assert code_of(headers) == "header_missing"


@pytest.mark.parametrize("body", [b"", BODY + b"\n", BODY[:-1], BODY.replace(b" ", b""), b"\xef\xbb\xbf" + BODY])
def test_the_body_is_byte_for_byte_what_was_signed(body: bytes) -> None:
    assert code_of(signed_headers(BODY), body) == "signature_mismatch"


@pytest.mark.parametrize("body", ["text", {"test": 1}, None, 5])
def test_a_parsed_body_is_refused_with_the_way_out(body: bytes) -> None:
    with pytest.raises(VerificationError, match="raw bytes") as raised:
        at().verify(body, signed_headers(BODY))
    assert raised.value.code == "body_invalid"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_another_type_are_bytes(kind: type[bytes]) -> None:
    assert at().verify(kind(BODY), signed_headers(BODY)).id == WEBHOOK_ID


def test_bodies_are_any_bytes() -> None:
    body = bytes(range(256))
    assert at().verify(body, signed_headers(body)).id == WEBHOOK_ID


def test_during_rotation_any_secret_fits_and_is_named() -> None:
    public = secrets.public_key_of(private := secrets.generate_private_key())
    verifier = Verifier([OTHER, SECRET, public], now=lambda: TIMESTAMP)
    assert verifier.verify(BODY, signed_headers(BODY)).secret_index == 1
    assert verifier.verify(BODY, signed_headers(BODY, secret=OTHER)).secret_index == 0
    verified = verifier.verify(BODY, signed_headers(BODY, secret=private))
    assert (verified.secret_index, verified.version) == (2, "v1a")


def test_a_secret_never_looks_at_the_other_version() -> None:
    private = secrets.generate_private_key()
    only_public = Verifier(secrets.public_key_of(private), now=lambda: TIMESTAMP)
    assert code_of(signed_headers(BODY), verifier=only_public) == "signature_mismatch"
    assert code_of(signed_headers(BODY, secret=private)) == "signature_mismatch"
    # the public key is public: who takes it for an HMAC key gets nowhere
    key = "whsec_" + secrets.public_key_of(private).removeprefix("whpk_")
    assert code_of(signed_headers(BODY, secret=key), verifier=only_public) == "signature_mismatch"


def test_an_ed25519_signature_is_of_this_body_and_whole() -> None:
    private = secrets.generate_private_key()
    verifier = Verifier(secrets.public_key_of(private), now=lambda: TIMESTAMP)
    headers = signed_headers(BODY, secret=private)
    assert verifier.verify(BODY, headers).version == "v1a"
    assert code_of(headers, BODY + b" ", verifier) == "signature_mismatch"
    raw = base64.b64decode(headers["webhook-signature"].removeprefix("v1a,"))
    for wrong in (raw[:63], raw + b"\0", raw[:63] + bytes([raw[63] ^ 1]), bytes(64)):
        headers["webhook-signature"] = f"v1a,{encoded(wrong)}"
        assert code_of(headers, BODY, verifier) == "signature_mismatch"


@pytest.mark.parametrize(
    "unusable", ["", "whsec_", "x", [], None, 5, [SECRET, "x"], secrets.generate_private_key(), b"whsec_"]
)
def test_a_secret_of_ours_that_cannot_be_used(unusable: str | Sequence[str]) -> None:
    with pytest.raises(VerificationError) as raised:
        verify(BODY, signed_headers(BODY), unusable, now=lambda: TIMESTAMP)
    assert raised.value.code == "secret_invalid"
    with pytest.raises(SecretError):
        Verifier(unusable)


TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from([SIGNATURE, "v1,", "v1a,", str(TIMESTAMP), WEBHOOK_ID, "v1," + "é" * 44, "\ud800"]),
)
NAMES = st.one_of(
    st.sampled_from(["webhook-id", "Webhook-Timestamp", "webhook-signature", "webhook-attempt"]), st.text(max_size=9)
)
PAIRS = st.lists(st.tuples(st.one_of(NAMES, NAMES.map(lambda name: name.encode("utf-8", "replace"))), TEXTS))
THINGS = st.recursive(
    st.one_of(st.none(), st.integers(), st.binary(max_size=9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@given(
    body=st.one_of(st.binary(max_size=40), THINGS),
    headers=st.one_of(PAIRS, PAIRS.map(dict), THINGS),
    unlocked=st.one_of(st.just(SECRET), THINGS),
)
def test_only_verification_errors_come_out(body: bytes, headers: RawHeaders, unlocked: str) -> None:
    with pytest.raises(VerificationError):
        verify(body, headers, unlocked, now=lambda: TIMESTAMP)


@given(body=st.binary(max_size=200), signature=st.text(max_size=100), timestamp=st.text(max_size=14))
def test_nothing_else_is_ever_genuine(body: bytes, signature: str, timestamp: str) -> None:
    headers = {"webhook-id": "evt_1", "webhook-timestamp": timestamp, "webhook-signature": signature}
    with pytest.raises(VerificationError):
        at().verify(body, headers)


@given(st.binary(max_size=300), st.integers(0, 2**63))
def test_one_flipped_bit_is_noticed(body: bytes, where: int) -> None:
    headers = signed_headers(body)
    assert at().verify(body, headers)
    if body:
        index, bit = where % len(body), where % 8
        body = body[:index] + bytes([body[index] ^ (1 << bit)]) + body[index + 1 :]
        assert code_of(headers, body) == "signature_mismatch"
