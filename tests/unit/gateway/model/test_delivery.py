"""Records and attempts: what is packed is read, and the scripts know the same numbers."""

import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import delivery as model
from gateway.model.delivery import Attempt, AttemptError, Reason, Record, State

MS = st.integers(0, 2**48)
RECORDS = st.builds(
    Record, st.sampled_from(State), st.sampled_from(Reason), st.integers(0, 65_535), st.integers(0, 999),
    st.sampled_from(AttemptError), st.integers(0, 255), MS, MS, st.integers(0, 2**32 - 1),
)  # fmt: skip
ATTEMPTS = st.builds(
    Attempt, st.integers(1, 5), MS, st.integers(0, 300_000), st.integers(0, 10), st.text(max_size=40),
    st.text(max_size=60), st.binary(max_size=60), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    st.integers(0, 999), st.binary(max_size=80), st.binary(max_size=80), st.booleans(), st.text(max_size=30),
)  # fmt: skip


@given(RECORDS)
def test_a_record_is_32_bytes_and_comes_back(record: Record) -> None:
    assert len(record.packed()) == 32
    assert model.unpack_record(record.packed()) == record


@given(ATTEMPTS)
def test_an_attempt_comes_back(attempt: Attempt) -> None:
    assert model.unpack_attempt(model.pack_attempt(attempt)) == attempt


def test_other_states_are_refused() -> None:
    with pytest.raises(ValueError, match="9"):
        model.unpack_record(b"\x09" + Record(State.DEAD).packed()[1:])


def test_the_settle_script_names_the_states_in_their_order() -> None:
    text = resources.files("gateway.store").joinpath("lua", "settle.lua").read_text()
    names = re.search(r"local NAMES = \{(.*)\}", text)
    assert names is not None
    assert re.findall(r"'(\w+)'", names[1]) == [state.name.lower() for state in State]


def test_open_is_what_may_still_be_attempted() -> None:
    assert {State.PENDING, State.SCHEDULED, State.HELD} == model.OPEN_STATES


def test_attempts_of_one_delivery_lie_beside_each_other() -> None:
    assert model.attempt_field(b"k" * 18, 258) == b"k" * 18 + b"\x01\x02"
