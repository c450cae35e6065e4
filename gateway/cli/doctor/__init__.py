"""`hookline doctor`: what is at risk, since when, and the way out, in plain words.

    run        reads, judges, prints; the exit code
    reading    reads everything, twice where life shows only in time
    facts      what was read
    judging    facts -> findings, in the order of an event's way
    setup      findings about settings, the store, memory and clocks
    work       findings about dispatchers, partitions and deliveries
    troubles   findings about endpoints, one for each in trouble
    findings   what a finding is, and words for times and sizes
    showing    the page for people, and the JSON for machines

Decisions are pure: from facts alone, without a store or a clock. A finding is `ok`, a `note` (so on somebody's purpose,
or the system copes), or a `risk` that somebody has to act on; it says what is, and beside it the way out. The codes of
findings are stable.

Exit code: 0 nothing needs attention, 1 something does, 2 the doctor cannot look (no store, or no answer). It changes
nothing: it makes no key, takes no lease and shows no secret.
"""
