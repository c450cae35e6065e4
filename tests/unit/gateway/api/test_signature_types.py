"""Bodies about signatures: defaults and limits."""

from typing import Any

import pytest

from gateway.api import fields
from gateway.api import signature_types as types


def wrong(body: dict[str, Any], struct: Any) -> set[str]:
    return {error.field for error in fields.read(body, struct).errors}


def test_a_rotation_overlaps_a_day_unless_it_says_otherwise() -> None:
    assert fields.read({}, types.Rotation).values == {"overlap_seconds": 86_400, "secret": None, "kind": None}
    assert fields.read({"overlap_seconds": 0}, types.Rotation).errors == []


@pytest.mark.parametrize("seconds", [-1, 2_592_001, 1.5, "1", True, None])
def test_an_overlap_is_a_number_of_seconds_up_to_30_days(seconds: Any) -> None:
    assert wrong({"overlap_seconds": seconds}, types.Rotation) == {"overlap_seconds"}


def test_what_is_wrong_in_a_profile_is_named() -> None:
    given = {"kind": "hmac", "algorithm": "md5", "encoding": "HEX", "prefix": "a" * 65, "secret": "", "more": 1}
    expected = {"algorithm", "encoding", "prefix", "secret", "more"}
    assert wrong(given, types.SignatureProfile) == expected
    assert wrong({"kind": "paypal"}, types.SignatureProfile) == {"kind"}
    assert wrong({"kind": "hmac", "timestamp": {"separator": 5}}, types.SignatureProfile) == {
        "timestamp.header",
        "timestamp.separator",
    }
