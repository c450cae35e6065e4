"""Taking events in: bytes -> Event, strictly; then the requests of one moment -> one flush -> 202 or 503.

    envelope      what a publisher sent becomes a NewEvent, payload untouched, or a problem that says where
    fullness      whether the store has room; refused from 90 % of its memory until below 88 %
    group_commit  concurrent events share one round trip of scripts, and so one fsync; who waits is told by a callback

Invariants: 202 is said only after the store answered, and it answers after fsync; an outcome that is not known is 503;
the queue is bounded; nothing is stored when a 4xx is answered.
"""
