"""The fault list, and the tests that make each fault happen; `file::test` in this directory."""

from typing import NamedTuple


class Row(NamedTuple):
    """What happens, what must hold, and who shows it."""

    fault: str
    holds: str
    tests: tuple[str, ...]


ROWS: dict[int, Row] = {
    1: Row(
        "gateway killed before the script",
        "nothing stored, no 202",
        ("test_gateway_killed::test_killed_before_the_script_nothing_is_stored",),
    ),
    2: Row(
        "gateway killed after the script or between claim and append; reply lost; sent again by the client",
        "a retry answers the same id, one event",
        (
            "test_gateway_killed::test_killed_after_the_script_a_retry_finds_the_event",
            "test_gateway_killed::test_killed_between_claim_and_append_a_retry_completes_the_claim",
            "test_gateway_killed::test_a_lost_reply_is_asked_for_again_and_stores_one_event",
            "test_gateway_killed::test_half_a_request_stores_nothing_or_one_event",
        ),
    ),
    3: Row(
        "store killed under load, also with syncs of 50 ms and of 1.5 s",
        "no acknowledged event lost",
        ("test_store_killed::test_no_acknowledged_event_is_lost",),
    ),
    4: Row(
        "power cut with a torn tail",
        "no acknowledged event lost",
        ("test_store_killed::test_no_acknowledged_event_is_lost",),
    ),
    5: Row(
        "append-only file cut at every byte of the last script",
        "the state before it or after it",
        ("test_store_cut::test_it_is_as_before_the_script_or_as_after_it",),
    ),
    6: Row(
        "a payload byte changed in the append-only file",
        "quarantined, with an alarm",
        ("test_store_damaged::test_a_changed_byte_is_not_delivered",),
    ),
    7: Row(
        "store without AOF, emptied, a replica, evicting",
        "start and readiness refuse with the reason",
        ("test_store_refused::test_neither_starts_nor_is_ready_and_both_say_why",),
    ),
    8: Row(
        "recorded mark, work keys, change stream deleted or trimmed under load",
        "everything delivered, nothing with a record sent again",
        (
            "test_store_damaged::test_a_lost_mark_is_read_again_and_nothing_recorded_is_sent_twice",
            "test_store_damaged::test_lost_work_keys_are_rebuilt_from_the_records",
            "test_store_damaged::test_lost_lanes_and_lines_are_rebuilt_from_the_records",
            "test_store_damaged::test_without_the_change_stream_the_registry_is_loaded_again",
        ),
    ),
    9: Row(
        "dispatcher killed at every stage of a delivery, and in a fan-out to 10,000",
        "all delivered, duplicates only without a record",
        (
            "test_dispatcher_killed::test_between_read_and_send_during_the_send_and_between_two_attempts",
            "test_dispatcher_killed::test_after_the_send_and_before_the_record",
            "test_dispatcher_killed::test_around_the_scheduling_of_a_retry",
            "test_dispatcher_killed::test_in_the_middle_of_a_large_fan_out",
        ),
    ),
    10: Row(
        "dispatcher stopped past its lease, then continued",
        "it starts nothing, its settle is refused",
        ("test_dispatcher_stopped::test_stopped_past_its_lease_it_settles_and_starts_nothing",),
    ),
    11: Row(
        "receiver answers just before the deadline",
        "no reclaim, no second attempt",
        ("test_near_deadline::test_no_reclaim_and_no_second_attempt",),
    ),
    12: Row(
        "clock of the store or of one dispatcher +10 min, -1 h",
        "no take-over, no retry early; recovery within lease + 17 s",
        ("test_clock_jumps::test_a_clock_jumps",),
    ),
    13: Row(
        "poison among 1,000 good entries",
        "the good delivered, the rest dead",
        ("test_store_damaged::test_poison_among_good_events_is_dead_and_the_good_are_delivered",),
    ),
    14: Row(
        "memory full: at full speed, with a dead endpoint, limit lowered under the use",
        "early trim; else 503, beats and settles go on, it resumes alone",
        (
            "test_memory_full::test_healthy_receivers_keep_ingest_running",
            "test_memory_full::test_a_dead_endpoint_fills_it_and_ingest_resumes_by_itself",
            "test_memory_full::test_a_limit_lowered_under_the_use_answers_503_until_it_is_raised",
        ),
    ),
    15: Row(
        "disk full",
        "only 503 meanwhile, acknowledged data stay, it resumes alone",
        ("test_disk_full::test_the_store_exits_and_comes_back_with_all_that_was_acknowledged",),
    ),
    16: Row(
        "store hung for 10 s, away for 5 minutes, restarted ten times",
        "no 202 without an entry, everything resumes unaided",
        (
            "test_store_away::test_it_resumes_unaided",
            "test_store_restarted::test_ten_restarts_under_load_lose_nothing",
            "test_store_restarted::test_the_first_large_batch_is_accepted_as_a_whole",
        ),
    ),
    17: Row(
        "backlog of a million",
        "ingest p99 at most doubled, dispatcher memory flat",
        ("test_backlog::test_ingest_is_quick_and_memory_flat",),
    ),
    18: Row(
        "endpoints that are dead, hang, drip, never end",
        "healthy ones' p99 at most 1.2x, attempts end at the deadline, memory flat",
        (
            "test_dead_endpoints::test_healthy_endpoints_memory_and_deadlines_are_kept",
            "test_healthy_endpoints::test_their_p99_grows_by_a_fifth_at_most",
        ),
    ),
    19: Row(
        "endpoint deleted, disabled, paused, its secret rotated during a backlog",
        "each delivery in exactly one state, nothing rejected",
        (
            "test_endpoint_changed::test_switched_off_what_is_not_delivered_is_skipped",
            "test_endpoint_changed::test_paused_it_is_held_and_resumed_everything_is_delivered",
            "test_endpoint_changed::test_rotated_receivers_with_the_old_the_new_and_both_secrets_reject_nothing",
        ),
    ),
    20: Row(
        "SIGTERM under load",
        "nothing lost or repeated, exit in time",
        ("test_dispatcher_stopped::test_asked_to_end_under_load_nothing_is_lost_or_repeated",),
    ),
    21: Row(
        "client gone at every byte of its request",
        "no event or exactly one",
        ("test_client_gone::test_no_event_or_exactly_one",),
    ),
    22: Row(
        "endpoint created and event published at once, 1,000 times",
        "none missed",
        ("test_new_endpoints::test_no_endpoint_misses_the_event_after_its_creation",),
    ),
}
