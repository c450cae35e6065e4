import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store import walk

POSITIONS = st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3))


def entries_of(positions: set[tuple[int, int, int]]) -> list[walk.Entry[tuple[int, ...]]]:
    return [walk.Entry(position, position) for position in positions]


async def keep_even(batch: list[walk.Entry[tuple[int, ...]]]) -> list[tuple[walk.Position, tuple[int, ...]]]:
    return [(e.position, e.value) for e in batch if e.value is not None and sum(e.value) % 2 == 0]


@pytest.mark.parametrize(
    ("span", "resume", "expected"),
    [
        (walk.Span(), b"", ("desc", "+", "0-0")),
        (walk.Span(), b"5-1", ("desc", b"(5-1", "0-0")),
        (walk.Span(ascending=True), b"", ("asc", "0-0", "+")),
        (walk.Span(ascending=True), b"5-1", ("asc", b"(5-1", "+")),
        (walk.Span((3, 0), (9, 0)), b"", ("desc", "(9-0", "3-0")),
        (walk.Span((3, 0), (9, 0), ascending=True), b"", ("asc", "3-0", "(9-0")),
        (walk.Span((3, 0), (9, 0), (5, 2, 1)), b"", ("desc", "5-2", "3-0")),
        (walk.Span((3, 0), (9, 0), (5, 2, 1), ascending=True), b"", ("asc", "5-2", "(9-0")),
        (walk.Span((3, 0), (9, 0), (2, 2, 1), ascending=True), b"", ("asc", "3-0", "(9-0")),
        (walk.Span((3, 0), (9, 0), (9, 2, 1)), b"", ("desc", "(9-0", "3-0")),
        (walk.Span(until=(0, 0)), b"", ("desc", "(0-1", "0-0")),
    ],
)
def test_the_span_becomes_what_the_stream_commands_take(
    span: walk.Span, resume: bytes, expected: tuple[str, bytes | str, str]
) -> None:
    assert walk.stream_range(span, resume) == expected


@given(position=POSITIONS, after=st.none() | POSITIONS, ascending=st.booleans())
def test_a_span_holds_what_the_caller_has_not_reached(
    position: tuple[int, ...], after: tuple[int, ...] | None, ascending: bool
) -> None:
    span = walk.Span((1, 2), (3, 1), after, ascending)
    reached = after is not None and (position <= after if ascending else position >= after)
    assert span.holds(position) == ((1, 2) <= position[:2] < (3, 1) and not reached)
    assert span.left_behind(position) == (position[:2] >= (3, 1) if ascending else position[:2] < (1, 2))


@given(positions=st.sets(POSITIONS), limit=st.integers(1, 5), ascending=st.booleans())
async def test_pages_together_are_the_list(positions: set[tuple[int, int, int]], limit: int, ascending: bool) -> None:
    span = walk.Span(ascending=ascending)
    seen: list[tuple[int, ...]] = []
    while True:
        page = await walk.collect(walk.Listed(entries_of(positions), span), limit, keep_even)
        assert len(page.items) <= limit
        seen += page.items
        if page.next is None:
            break
        span = span._replace(after=page.next)
    assert seen == sorted((p for p in positions if sum(p) % 2 == 0), reverse=not ascending)


async def test_a_descending_list_ends_exactly_and_an_ascending_one_when_nothing_is_new() -> None:
    entries = entries_of({(1, 0, 0), (2, 0, 0)})
    assert (await walk.collect(walk.Listed(entries, walk.Span()), 2, keep_even)).next is None
    ascending = walk.Span(ascending=True)
    page = await walk.collect(walk.Listed(entries, ascending), 2, keep_even)
    assert page.next == (2, 0, 0)
    rest = await walk.collect(walk.Listed(entries, ascending._replace(after=page.next)), 2, keep_even)
    assert (rest.items, rest.next) == ([], None)
