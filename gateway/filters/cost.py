"""How long an evaluation takes at most, in microseconds: an expression's shape times what it reads of an event.

The evaluator has no limit of its own and cannot be interrupted, so what could take long is not begun. An estimate is
used rather than a clock, since it gives the same answer for the same event on every machine at every time. Reading a
member copies the list or map it is in; `map` and `filter` copy what they made so far at each step; `+` copies both
sides. The figures were measured with release 0.10.0 of the evaluator.
"""

from typing import NamedTuple

from gateway.filters.shape import Depth, Shape
from gateway.filters.values import Facts

MAXIMUM_MICROSECONDS = 2_000.0
_WORD = 0.1
_COPY = 0.05
_COMPARE = 0.02
_APPEND, _APPEND_MEMBER = 0.03, 0.12
_CHARACTER = 0.0005


class _Times(NamedTuple):
    """How often something is done at a depth: in all turns; and how often all values pass, at most, by who reads."""

    turns: float
    own: float
    outer: float


def microseconds(shape: Shape, facts: Facts) -> float:
    """At most so long, for an event of which the filter reads so much."""
    longest = float(max(facts.longest, shape.written))
    nodes = float(facts.nodes + shape.written)
    crosses = shape.depths[1].crosses > 0
    within = longest if crosses else 1.0
    times = (
        _Times(1.0, 1.0, 1.0),
        _Times(longest, 1.0, 1.0),
        _Times(longest * longest if crosses else max(nodes, longest), within, longest),
    )
    made = longest**2 * _APPEND + longest * max(0.0, nodes - longest) * _APPEND_MEMBER
    makers = (made, made * (longest if crosses else 1.0), 0.0)
    cost = sum(_at_depth(*each, nodes, facts) for each in zip(shape.depths, times, strict=True))
    return cost + sum(depth.makers * each for depth, each in zip(shape.depths, makers, strict=True))


def _at_depth(depth: Depth, times: _Times, nodes: float, facts: Facts) -> float:
    passes = times.turns if depth.reads else times.outer if depth.outer_reads else times.own
    every_value = nodes * _COMPARE + facts.characters * _CHARACTER
    return (
        times.turns * (depth.words * _WORD + depth.reads * nodes * _COPY + depth.regex_us)
        + (times.own * depth.own_reads + times.outer * depth.outer_reads) * nodes * _COPY
        + passes * (depth.texts * every_value + depth.regex_character_us * facts.characters)
        + times.turns * depth.joins**2 * (nodes * _APPEND + facts.characters * _CHARACTER)
    )
