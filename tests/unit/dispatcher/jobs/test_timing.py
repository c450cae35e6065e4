from dispatcher.jobs.timing import NORMAL
from gateway.store import jobs


def test_a_slice_ends_before_rq_ends_it_and_beats_long_before_it_counts_as_lost() -> None:
    assert NORMAL.slice <= 30
    assert NORMAL.slice + 30 <= jobs.JOB_SECONDS
    assert NORMAL.beat * 5 <= NORMAL.stale


def test_a_killed_worker_is_noticed_in_time() -> None:
    # the last beat, the next look, the look after the stale time, and one slice of somebody else in the queue
    assert NORMAL.beat + 2 * NORMAL.watch + NORMAL.stale + NORMAL.fair < 60


def test_a_process_ends_within_two_seconds() -> None:
    assert NORMAL.stop < 2
