from hypothesis import given
from hypothesis import strategies as st

from gateway.model.replay import Replay
from gateway.store import replays

stored = st.builds(
    Replay,
    id=st.just("rpl_1"),
    run=st.integers(0, 2**32 - 1),
    endpoint=st.just("ep_1"),
    endpoint_number=st.integers(1, 2**32 - 1),
    since_ms=st.integers(0, 2**48),
    until_ms=st.integers(0, 2**48),
    event_types=st.lists(st.sampled_from(["*", "order.*", "order.placed"])).map(tuple),
    mode=st.sampled_from(["fill", "again"]),
    rate=st.none() | st.integers(1, 1_000),
    dry_run=st.booleans(),
    status=st.sampled_from(["queued", "running", "cancelled", "completed", "failed"]),
    cursor=st.dictionaries(st.integers(0, 15).map(str), st.sampled_from(["0-0", "17-3"])),
    error=st.none() | st.text(st.characters(codec="utf-8")),
)


@given(stored)
def test_a_replay_is_read_as_it_was_written(replay: Replay) -> None:
    assert replays.unpack(replays.pack(replay, b"12345678")) == replay


@given(stored)
def test_what_was_read_packs_to_the_stored_bytes_which_are_compared(replay: Replay) -> None:
    packed = replays.pack(replay, b"12345678")
    assert replays.pack(replays.unpack(packed), b"12345678") == packed
