from typing import get_args

from gateway.model.replay import FINISHED, Replay, ReplayStatus


def test_a_status_is_final_or_goes_on() -> None:
    assert set(get_args(ReplayStatus)) - FINISHED == {"queued", "running"}
    assert set(get_args(ReplayStatus)) >= FINISHED


def test_a_new_replay_waits_for_its_first_slice() -> None:
    new = Replay("rpl_1", 0, "ep_1", 1, 0, 10)
    assert (new.status, new.phase, new.token, new.beat) == ("queued", "count", "", 0)
    assert (new.total, new.queued, new.cursor, new.next_ms, new.error) == (0, 0, {}, 0, None)
    assert (new.dry_run, new.catch_up) == (False, False)
