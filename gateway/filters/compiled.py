"""A filter that is ready to be asked, and how a text becomes one."""

from gateway.filters import cost, lexing, library, shape
from gateway.filters.errors import FilterError, FilterFailed
from gateway.filters.shape import Shape
from gateway.filters.values import EventValues, Facts

MAXIMUM_BYTES = 4_096
REMEMBERED_CHARACTERS = 500_000
"""Of filters that stay compiled, which takes about 100 bytes a character; beyond it they are compiled again."""

_COMPILING_US, _WORD_US = 50.0, 5.0


class Filter:
    """A compiled filter. What compiling took counts for the first event that it is asked of."""

    __slots__ = ("_compiling_us", "_program", "shape", "text")

    def __init__(self, text: str, program: library.Program, seen: Shape) -> None:
        self.text, self._program, self.shape = text, program, seen
        self._compiling_us = _COMPILING_US + _WORD_US * sum(depth.words for depth in seen.depths)

    def matches(self, values: EventValues) -> bool:
        """Whether the event passes. Raises FilterFailed when there is no answer."""
        return values.answer(self.text, self._judge)

    def _judge(self, values: EventValues) -> bool:
        values.spent_us += self._compiling_us
        self._compiling_us = 0.0
        context, facts = values.of(self.shape.needs)
        takes_us = cost.microseconds(self.shape, facts)
        if takes_us > cost.MAXIMUM_MICROSECONDS:
            raise FilterFailed("it would take too long for an event of this size: fewer loops, or over shorter lists")
        values.spent_us += takes_us
        answer = library.evaluate(self._program, context)
        if not isinstance(answer, bool):
            raise FilterFailed(f"it gives {type(answer).__name__}, not true or false")
        return answer


class _Remembered:
    """Filters by their text; all are forgotten at once when they are too many."""

    def __init__(self) -> None:
        self.filters: dict[str, Filter] = {}
        self.characters = 0

    def add(self, made: Filter) -> None:
        if self.characters + len(made.text) > REMEMBERED_CHARACTERS:
            self.filters.clear()
            self.characters = 0
        self.filters[made.text] = made
        self.characters += len(made.text)


_remembered = _Remembered()


def compile(text: str) -> Filter:  # noqa: A001 - as in re.compile
    """The filter of an expression; the same object for the same text, while it is remembered. Raises FilterError."""
    found = _remembered.filters.get(text)
    if found is None:
        found = _compile(text)
        _remembered.add(found)
    return found


def _compile(text: str) -> Filter:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAXIMUM_BYTES:
        raise FilterError("filter_too_long", f"a filter may have {MAXIMUM_BYTES:,} bytes, not {size:,}")
    words = lexing.read(text)
    if len(words.words) > shape.MAXIMUM_WORDS:
        raise FilterError("filter_too_complex", f"a filter may have {shape.MAXIMUM_WORDS:,} words")
    program = library.compile_text(text)
    seen = shape.read(words)
    if cost.microseconds(seen, Facts()) > cost.MAXIMUM_MICROSECONDS:
        raise FilterError("filter_too_complex", "it would take too long for any event: make it shorter")
    return Filter(text, program, seen)
