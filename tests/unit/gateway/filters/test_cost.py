"""No filter holds the event loop up: what is begun ends in a few milliseconds, whatever it is made of."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import filters
from gateway.filters import FilterError, FilterFailed, cost, lexing, shape
from gateway.filters.values import Facts
from tests.unit.gateway.filters.samples import values

LIMIT_SECONDS = 0.02
"""Ten times what is allowed, since other processes have their part of the machine."""
NUMBERS = list(range(1_900))
HOSTILE = [
    "data.n.all(a, data.n.all(b, a + b >= 0))",
    "size(data.n.map(a, a + 1)) > 0",
    "size(data.n.filter(a, a >= 0)) > 0",
    "data.n.all(a, a in data.n)",
    "data.n.all(a, data.n[0] == 0)",
    "data.o.all(a, data.o[a] == data.o)",
    "size(data.n" + "+data.n" * 300 + ") > 0",
    "data.n == data.n " + "&& data.n == data.n" * 100,
    "data.n[5] == 5 " + "&& data.n[5] == 5" * 100,
    r'data.t.matches("[ab]*a[ab]{100}\\b")',
    r'data.t.matches("(a|b)*a(a|b){12}c")',
    r'data.n.exists(a, string(a).matches("\\w{2}z"))',
    'data.t.contains("b") ' + '|| data.t.contains("b")' * 100,
    "size(data.t" + "+data.t" * 200 + ") > 0",
    "size([data.t" + ", data.t" * 200 + "]) > 0",
    "data.w.exists(a, a.all(b, a.all(c, b == c)))",
    "data.w.all(a, data.w.exists(b, a == b))",
    "data.w.map(a, a.map(b, b)) == data.w",
]


def longest_turn(text: str, data: object) -> float:
    """Seconds of processor time of one evaluation, the best of three."""
    try:
        filter_ = filters.compile(text)
    except FilterError:
        return 0.0
    times = []
    for _ in range(3):
        seen = values(data)
        begun = time.thread_time()
        with contextlib.suppress(FilterFailed):
            filter_.matches(seen)
        times.append(time.thread_time() - begun)
    return min(times)


@pytest.mark.parametrize("length", [10, 120, 1_900])
@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_take_long_is_not_begun(text: str, length: int) -> None:
    numbers = NUMBERS[:length]
    wide = [[1] * 10 for _ in range(length // 11 + 1)]
    members = {f"k{number}": number for number in numbers}
    for data in ({"n": numbers}, {"o": members}, {"t": "ab" * length * 10}, {"w": wide}):
        assert longest_turn(text, {"n": [], "o": {}, "t": "", "w": [], **data}) < LIMIT_SECONDS


@pytest.mark.parametrize("nodes", [2_001, 100_000])
def test_more_values_than_are_allowed_are_not_converted(nodes: int) -> None:
    with pytest.raises(FilterFailed, match="reads more than 2000 values"):
        filters.compile("size(data.n) > 0").matches(values({"n": [1] * nodes}))
    assert filters.compile("data.few == 1").matches(values({"n": [1] * nodes, "few": 1}))


def estimate(text: str, facts: Facts) -> float:
    return cost.microseconds(shape.read(lexing.read(text)), facts)


@pytest.mark.parametrize("text", [*HOSTILE[:6], "data.w.exists(a, a.exists(b, b == 1))", "data.amount > 100"])
def test_more_of_an_event_never_costs_less(text: str) -> None:
    few = estimate(text, Facts(10, 5, 100))
    assert few <= min(estimate(text, more) for more in (Facts(20, 5, 100), Facts(10, 6, 100), Facts(10, 5, 200)))


def test_parts_of_a_loops_variable_cost_what_there_is_of_them() -> None:
    inner = estimate("data.w.exists(a, a.exists(b, b == 1))", Facts(1_000, 100, 0))
    crossed = estimate("data.w.exists(a, data.w.exists(b, b == 1))", Facts(1_000, 100, 0))
    assert inner < cost.MAXIMUM_MICROSECONDS < crossed


@st.composite
def expressions(draw: st.DrawFn, variables: tuple[str, ...] = (), depth: int = 3) -> str:
    atom = st.sampled_from(["1", "'x'", "data.n", "data.t", "data.o", "data.w", *variables])
    if depth == 0:
        return f"{draw(atom)} {draw(st.sampled_from(['==', '!=', 'in', '<']))} {draw(atom)}"
    inner = expressions(variables, depth - 1)
    kind = draw(st.sampled_from(["loop", "both", "made", "text"]))
    if kind == "both":
        return f"({draw(inner)} {draw(st.sampled_from(['&&', '||']))} {draw(inner)})"
    if kind == "text":
        return f"(string({draw(atom)}) + data.t).contains(data.t)"
    over = draw(st.sampled_from(["data.n", "data.o", "data.w", *variables]))
    name = f"v{len(variables)}"
    body = draw(expressions((*variables, name), depth - 1))
    if kind == "made":
        return f"size({over}.filter({name}, {body})) > 0"
    return f"{over}.{draw(st.sampled_from(['all', 'exists', 'exists_one']))}({name}, {body})"


@settings(max_examples=150, deadline=None)
@given(expressions(), st.sampled_from([1, 10, 40, 150, 600]))
def test_no_expression_takes_long(text: str, length: int) -> None:
    data = {
        "n": list(range(length)),
        "t": "ab" * length,
        "o": {f"k{number}": number for number in range(length)},
        "w": [[1, 2, 3, 4] for _ in range(length // 5)],
    }
    assert longest_turn(text, data) < LIMIT_SECONDS
