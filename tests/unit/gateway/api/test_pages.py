import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import pages
from gateway.problems import Problem

KEY = b"k" * 32


def read(**query: str) -> pages.PageRequest:
    return pages.read(query, "events", KEY)


def refusal(**query: str) -> str:
    with pytest.raises(Problem) as raised:
        read(**query)
    return raised.value.code


def test_the_defaults_are_fifty_newest_first() -> None:
    request = read()
    assert (request.limit, request.ascending, request.after) == (50, False, None)


@pytest.mark.parametrize("limit", ["0", "-1", "201", "1000000000", "1e9", "many", "1.0", " 1", "1_0", "\u0661", ""])
def test_a_limit_outside_of_1_to_200_is_refused(limit: str) -> None:
    assert refusal(limit=limit) == "invalid_parameter"


@pytest.mark.parametrize("order", ["", "ASC", "newest"])
def test_an_unknown_order_is_refused(order: str) -> None:
    assert refusal(order=order) == "invalid_parameter"


@given(position=st.lists(st.integers(0, 2**48) | st.text("aZ09_:-", max_size=60), min_size=1, max_size=5).map(tuple))
def test_a_cursor_brings_its_position_back(position: pages.Position) -> None:
    cursor = read(type="order.*").cursor(position)
    assert read(type="order.*", cursor=cursor).after == position
    assert read(type="order.*", cursor=cursor, limit="7").after == position


def test_a_cursor_belongs_to_its_filters_its_order_its_list_and_its_deployment() -> None:
    cursor = read(type="order.*").cursor((1, 2, 3))
    assert refusal(type="order.placed", cursor=cursor) == "invalid_cursor"
    assert refusal(cursor=cursor) == "invalid_cursor"
    assert refusal(type="order.*", source="a", cursor=cursor) == "invalid_cursor"
    assert refusal(type="order.*", order="asc", cursor=cursor) == "invalid_cursor"
    for scope, key in (("events of acme", KEY), ("events", b"other")):
        with pytest.raises(Problem, match="invalid_cursor"):
            pages.read({"type": "order.*", "cursor": cursor}, scope, key)


@given(at=st.integers(0, 60), flip=st.integers(1, 255))
def test_a_changed_cursor_is_refused(at: int, flip: int) -> None:
    cursor = bytearray(read().cursor((1_764_000_000_000, 1, 3)).encode())
    cursor[at % len(cursor)] ^= flip
    assert refusal(cursor=cursor.decode("latin-1")) == "invalid_cursor"


@pytest.mark.parametrize("cursor", ["", "a", "AAAA", "=", "a" * 513, "A" * 512, "é", "A A A"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    assert refusal(cursor=cursor) == "invalid_cursor"


def test_a_page_without_a_position_ends_the_list() -> None:
    page = read().page(["a"], None)
    assert (page.data, page.next) == (["a"], None)


@given(count=st.integers(0, 30), limit=st.integers(1, 7), ascending=st.booleans())
def test_a_list_at_hand_is_cut_without_loss_or_repetition(count: int, limit: int, ascending: bool) -> None:
    items: list[tuple[pages.Position, int]] = [((n // 3, str(n)), n) for n in range(count)]
    query = {"limit": str(limit), "order": "asc" if ascending else "desc"}
    seen: list[int] = []
    page = read(**query).cut(items)
    while page.data and page.next is not None:
        seen += page.data
        page = read(**query, cursor=page.next).cut(items)
    seen += page.data
    expected = [n for _, n in sorted(items, key=lambda pair: pair[0], reverse=not ascending)]
    assert seen == expected
    assert page.next is None


@given(count=st.integers(0, 30), limit=st.integers(1, 7), ascending=st.booleans())
def test_a_list_in_order_gives_the_same_pages_and_is_read_no_further(count: int, limit: int, ascending: bool) -> None:
    items: list[tuple[pages.Position, int]] = [((n // 3, str(n).zfill(2)), n) for n in range(count)]
    query = {"limit": str(limit), "order": "asc" if ascending else "desc"}
    while True:
        request = read(**query)
        after = [pair for pair in items if request.after is None or (pair[0] > request.after) == ascending]
        rest = iter(sorted(pair for pair in after if pair[0] != request.after)[:: 1 if ascending else -1])
        page = request.take(rest)
        assert page == request.cut(items)
        assert len(list(rest)) == max(0, len([pair for pair in after if pair[0] != request.after]) - limit - 1)
        if page.next is None:
            return
        query["cursor"] = page.next
