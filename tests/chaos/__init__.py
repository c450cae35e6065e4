"""Faults injected into the running system (real processes, real store), and the arithmetic that must hold afterwards.

    test_short_chaos        everything fails once in twenty seconds under load; and the negative control
    test_<what happens>     one row of the fault list each, made to happen at an exact point
    campaign, faults        the long form: `python -m tests.chaos --minutes 10 --seed 7`

What was promised and what arrived are written down outside of the system, by publishers and receivers that are other
processes; `tests.support.ledger` compares. Every test also asks `hookline ledger` for its own balance.
"""
