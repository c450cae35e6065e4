"""Headers in every form that frameworks have."""

import pytest

from receivers import headers
from receivers.errors import VerificationError


@pytest.mark.parametrize(
    "given",
    [
        {"Webhook-ID": "a", "x": "y"},
        {b"Webhook-ID": b"a", b"x": b"y"},
        [("Webhook-ID", "a"), ("x", "y")],
        [(b"webhook-id", b"a"), ("x", b"y")],
        iter([["WEBHOOK-ID", "a"], ["X", "y"]]),
    ],
)
def test_mappings_and_pairs_of_text_and_bytes(given: headers.RawHeaders) -> None:
    read = headers.read(given)
    assert dict(read.fields) == {"webhook-id": "a", "x": "y"}
    assert read.exactly_one("webhook-id") == "a"
    assert read.get("webhook-none") is None


def test_a_repeated_header_is_joined_and_known() -> None:
    read = headers.read([("accept", "a"), ("Accept", "b"), ("x", "c")])
    assert read.get("accept") == "a, b"
    assert set(read.repeated) == {"accept"}
    with pytest.raises(VerificationError) as raised:
        read.exactly_one("accept")
    assert raised.value.code == "header_repeated"


def test_names_of_a_dictionary_that_differ_in_case_are_repeated() -> None:
    with pytest.raises(VerificationError) as raised:
        headers.read({"webhook-id": "a", "Webhook-Id": "a"}).exactly_one("webhook-id")
    assert raised.value.code == "header_repeated"


def test_a_missing_header_is_named() -> None:
    with pytest.raises(VerificationError, match="webhook-id") as raised:
        headers.read({}).exactly_one("webhook-id")
    assert raised.value.code == "header_missing"


def test_letters_beyond_ascii_do_not_fold_into_a_name() -> None:
    assert headers.read({"WEBHOO\u212a-ID": "a"}).get("webhook-id") is None


def test_bytes_are_latin_1_and_values_are_not_trimmed() -> None:
    assert headers.read([(b"x", b" \xe9 ")]).get("x") == " é "


@pytest.mark.parametrize("given", [None, 5, "webhook-id", [1], [("a",)], [("a", 1)], {1: "a"}, {"a": None}])
def test_anything_else_is_refused(given: headers.RawHeaders) -> None:
    with pytest.raises(VerificationError) as raised:
        headers.read(given)
    assert raised.value.code == "header_invalid"
