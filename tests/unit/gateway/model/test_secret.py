"""Secrets: which are live, and what rotations make of them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import secret as model
from gateway.model.secret import EndpointSecret

HOUR = 3_600_000


def v1(name: str, **fields: int) -> EndpointSecret:
    return msgspec.structs.replace(EndpointSecret(name, "v1", b""), **fields)


def names(secrets: model.Secrets) -> list[str]:
    return [secret.id for secret in secrets]


def test_a_secret_lives_until_it_expires_exclusive() -> None:
    ends = v1("a", expires_ms=10)
    assert [ends.is_live(now) for now in (0, 9, 10, 11)] == [True, True, False, False]
    assert v1("b").is_live(2**60)
    assert names(model.live((v1("b"), ends), 10)) == ["b"]


def test_a_new_secret_stands_first_and_the_old_one_ends_after_the_overlap() -> None:
    once = model.rotated((v1("a"),), v1("b"), HOUR, 5)
    assert once == (v1("b"), v1("a", expires_ms=HOUR + 5))
    twice = model.rotated(once, v1("c"), 10, 6)
    assert twice == (v1("c"), v1("b", expires_ms=16), v1("a", expires_ms=HOUR + 5)), "what was stated stays"
    assert names(model.live(twice, 16)) == ["c", "a"]


def test_at_once_everything_else_of_the_kind_ends() -> None:
    many = model.rotated((v1("a"),), v1("b"), HOUR, 5)
    assert model.rotated(many, v1("c"), 0, 6) == (v1("c"),)


def test_other_kinds_stay_as_they_are() -> None:
    key, own = EndpointSecret("k", "v1a", b""), EndpointSecret("p", "profile", b"")
    assert names(model.rotated((v1("a"), key, own), v1("b"), HOUR, 0)) == ["b", "a", "k", "p"]
    assert names(model.rotated((v1("a"), key, own), EndpointSecret("l", "v1a", b""), 0, 0)) == ["l", "a", "p"]
    assert names(model.of_kind((v1("a"), key), "v1a")) == ["k"]


def test_the_newest_public_key_is_shown() -> None:
    keys = tuple(EndpointSecret(name, "v1a", b"", public_key=f"whpk_{name}") for name in ("new", "old"))
    assert model.newest_public_key((v1("a"), *keys)) == "whpk_new"
    assert model.newest_public_key((v1("a"),)) is None


def test_a_fourth_live_secret_is_refused_until_one_has_expired() -> None:
    three = model.rotated(model.rotated((v1("a"),), v1("b"), 10, 0), v1("c"), 20, 0)
    with pytest.raises(model.TooManySecrets):
        model.rotated(three, v1("d"), HOUR, 9)
    assert names(model.rotated(three, v1("d"), HOUR, 10)) == ["d", "c", "b"]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=12))
def test_whatever_is_rotated_when_a_receiver_with_a_live_secret_is_served(rotations: list[tuple[int, int]]) -> None:
    secrets: model.Secrets = (v1("0"),)
    now = 0
    for number, (overlap, passed) in enumerate(rotations, 1):
        now += passed
        before = model.live(secrets, now)
        try:
            secrets = model.rotated(secrets, v1(str(number)), overlap, now)
        except model.TooManySecrets:
            assert len(before) == model.MAX_LIVE
            continue
        assert names(secrets)[0] == str(number)
        assert secrets[0].expires_ms is None
        assert all(one.expires_ms is not None for one in secrets[1:])
        assert len(model.live(secrets, now)) <= model.MAX_LIVE
        if overlap:
            assert set(names(before)) <= set(names(secrets))
