"""Faults injected into the running system (real processes, real store), and the arithmetic that must hold afterwards.

    rows                    which tests make which fault happen, row by row of the fault list
    test_<what happens>     one theme each, made to happen at an exact point; shortened here, in full in `make faults`
    test_short_chaos        everything fails once in fifteen seconds under load; and the negative control
    campaign, faults        the long form: `make chaos`, `make soak HOURS=8`, with `report` and `memory`
    scene                   what one fault needs; and tests that mostly wait run at the same time

What was promised and what arrived are written down outside of the system, by publishers and receivers that are other
processes; `tests.support.ledger` compares. Every test also asks `hookline ledger` for its own balance.
"""
