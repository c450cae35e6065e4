"""What an expression reads and repeats: the facts that bound its cost, from its words alone.

Loops (`all exists exists_one map filter`) run over a list of the event, over one written out, or over one that `filter`
or a plain `map` made smaller; never over a list that the expression makes larger, since then each step could double
it. They nest at most twice.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.filters import library, regexes
from gateway.filters.errors import FilterError
from gateway.filters.lexing import Words

MAXIMUM_WORDS = 1_000
MAXIMUM_DEPTH = 2
ATTRIBUTES = ("id", "source", "type", "subject", "time", "partitionkey", "subscriber", "datacontenttype")
DATA = "data"
VARIABLES = frozenset({*ATTRIBUTES, DATA})
LOOPS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
_MAKING_LISTS = frozenset({"map", "filter"})
_TYPES = frozenset({"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"})
FUNCTIONS = frozenset(
    {"has", "size", "string", "bytes", "int", "uint", "double", "timestamp", "duration", "type", "dyn"}
)
METHODS = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches", "getFullYear", "getMonth", "getDayOfYear",
    "getDayOfMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})

Path = tuple[str, ...]


class Depth(NamedTuple):
    """What stands outside of loops, inside of one, or inside of two.

    `reads` of the event, `own_reads` of the variable of the innermost loop and `outer_reads` of that of the other one,
    `texts` that look at whole values, `joins` (+), `makers` (loops that make a list), `crosses` (loops inside of a loop
    that do not run over a part of its variable), `regex_us` to compile the regular expressions once, and
    `regex_character_us` to look at a character with them.
    """

    words: int = 0
    reads: int = 0
    own_reads: int = 0
    outer_reads: int = 0
    texts: int = 0
    joins: int = 0
    makers: int = 0
    crosses: int = 0
    regex_us: float = 0.0
    regex_character_us: float = 0.0


class Shape(NamedTuple):
    """`needs` are the paths that are read, each with all that is under it; `written` the longest list in the text."""

    needs: frozenset[Path]
    depths: tuple[Depth, ...]
    written: int


class _Loop(NamedTuple):
    variable: str
    start: int
    end: int


def read(words: Words) -> Shape:
    """The shape of an expression that the evaluator can parse. Raises FilterError, with the position and a way out."""
    if len(words.words) > MAXIMUM_WORDS:
        raise FilterError("filter_too_complex", f"a filter may have {MAXIMUM_WORDS} words, not {len(words.words)}")
    return _Reader(words).read()


class _Reader:
    """Goes over the words once; `_w` is short for what nearly every line looks at."""

    def __init__(self, words: Words) -> None:
        self._w = words
        self._around = self._loops_around()
        self._needs: set[Path] = set()
        self._counts = [Depth() for _ in range(MAXIMUM_DEPTH + 1)]
        self._counted: set[int] = set()
        self._written = 1

    def read(self) -> Shape:
        for index, word in enumerate(self._w.words):
            self._count(index, words=1)
            if word.kind == "name":
                self._name(index)
            elif word.kind == "sign":
                self._sign(index)
        return Shape(frozenset(self._shortest()), tuple(self._counts), self._written)

    def _refuse(self, index: int, reason: str, code: str = "filter_too_complex") -> FilterError:
        return FilterError(code, reason, self._w.words[index].at)  # type: ignore[arg-type]  # one of the codes

    def _count(self, index: int, **more: float) -> None:
        depth = len(self._around[index])
        now = self._counts[depth]
        self._counts[depth] = now._replace(**{name: getattr(now, name) + value for name, value in more.items()})

    def _loops_around(self) -> list[tuple[_Loop, ...]]:
        """For each word the loops in whose brackets it stands, the outermost first."""
        starts = {loop.start: loop for loop in self._find_loops()}
        around: list[tuple[_Loop, ...]] = []
        inside: tuple[_Loop, ...] = ()
        for index in range(len(self._w.words)):
            while inside and inside[-1].end <= index:
                inside = inside[:-1]
            around.append(inside)
            if index in starts:
                inside = (*inside, starts[index])
                if len(inside) > MAXIMUM_DEPTH:
                    raise self._refuse(index, f"loops nest at most {MAXIMUM_DEPTH} deep")
        return around

    def _find_loops(self) -> Iterator[_Loop]:
        for index, word in enumerate(self._w.words):
            if word.text in LOOPS and self._w.text(index - 1) == "." and self._w.text(index + 1) == "(":
                if self._w.kind(index + 2) != "name" or self._w.text(index + 3) != ",":
                    raise self._refuse(index, f"{word.text} takes a variable and an expression", "filter_syntax")
                variable = self._w.text(index + 2)
                if variable in VARIABLES:
                    raise self._refuse(index + 2, f"{variable} is a part of the event: call the variable otherwise")
                yield _Loop(variable, index + 1, self._w.mates[index + 1])

    def _name(self, index: int) -> None:
        text, called = self._w.text(index), self._w.text(index + 1) == "("
        if text == "in":
            self._count(index, texts=1)
        elif self._w.text(index + 1) == "{":
            raise self._refuse(index, "messages cannot be made in a filter", "filter_unknown_name")
        elif self._w.text(index - 1) == ".":
            self._member(index, called)
        elif called:
            if text not in FUNCTIONS:
                raise self._refuse(
                    index, f"there is no function {text}: {_listed(FUNCTIONS)}", "filter_unknown_function"
                )
            self._count(index, texts=1)
        else:
            self._root(index, text)

    def _member(self, index: int, called: bool) -> None:
        text = self._w.text(index)
        if not called:
            if index not in self._counted:
                self._count(index, reads=1)
        elif text in LOOPS:
            root = self._receiver(index - 2)
            crosses = all(loop.variable != root for loop in self._around[index])
            self._count(index, makers=text in _MAKING_LISTS, crosses=crosses and bool(self._around[index]))
        elif text == "matches":
            cost = self._regex(index)
            self._count(index, texts=1, regex_us=cost.compiling, regex_character_us=cost.character)
        elif text in METHODS:
            self._count(index, texts=1)
        else:
            known = _listed(METHODS | LOOPS)
            raise self._refuse(index, f"there is no method {text}: {known}", "filter_unknown_function")

    def _root(self, index: int, text: str) -> None:
        variables = [loop.variable for loop in self._around[index]]
        members = list(self._members(index))
        if text in variables:
            kind = "own_reads" if text == variables[-1] else "outer_reads"
            self._count(index, **{kind: 1 + len(members)})
        elif text in VARIABLES:
            self._count(index, reads=1 + len(members))
            self._needs.add(self._path(index, members))
        elif text not in _TYPES:
            raise self._refuse(index, f"there is nothing called {text}: {_listed(VARIABLES)}", "filter_unknown_name")

    def _members(self, index: int) -> Iterator[int]:
        """The words that name members, one after the other, from a variable on."""
        at = index + 1
        while True:
            if self._w.text(at) == "." and self._w.kind(at + 1) == "name" and self._w.text(at + 2) != "(":
                self._counted.add(at + 1)
                yield at + 1
                at += 2
            elif self._w.text(at) == "[" and self._w.mates[at] == at + 2:
                self._counted.add(at)
                yield at + 1
                at += 3
            else:
                return

    def _path(self, index: int, members: list[int]) -> Path:
        path = [self._w.text(index)]
        for at in members:
            word = self._w.words[at]
            if word.kind == "string" and word.text[0] in "\"'" and "\\" not in word.text:
                path.append(word.text[3:-3] if word.text[:3] in {'"""', "'''"} else word.text[1:-1])
            elif word.kind == "name" and self._w.text(at - 1) == ".":
                path.append(word.text)
            else:
                break
        return tuple(path)

    def _sign(self, index: int) -> None:
        text = self._w.text(index)
        if text in _COMPARISONS:
            self._count(index, texts=1)
        elif text == "+":
            self._count(index, joins=1)
        elif text == ".":
            if self._w.kind(index - 1) not in {"name", "string"} and self._w.text(index - 1) not in {")", "]", "}"}:
                raise self._refuse(index, "a name does not begin with a dot", "filter_syntax")
        elif text in {"[", "{"}:
            if text == "[" and self._is_index(index):
                if index not in self._counted:
                    self._count(index, reads=1)
            else:
                inside = range(index, self._w.mates[index])
                self._written = max(self._written, 1 + sum(self._w.text(at) == "," for at in inside))

    def _is_index(self, index: int) -> bool:
        before = self._w.kind(index - 1) in {"name", "string"} and self._w.text(index - 1) != "in"
        return before or self._w.text(index - 1) in {")", "]", "}"}

    def _receiver(self, end: int) -> str:
        """The variable that a loop runs over, '' for a written list; `end` is the last word before the loop's dot.

        Refuses a loop over what may be larger than the event.
        """
        at = end
        while self._w.kind(at) != "name" or self._w.text(at - 1) == ".":
            text = self._w.text(at)
            if self._w.kind(at) == "name":
                at -= 2
            elif text == "]" and self._is_index(self._w.mates[at]):
                at = self._w.mates[at] - 1
            elif text == "]":
                self._check_written(at)
                return ""
            elif text == ")" and self._is_smaller(self._w.mates[at]):
                at = self._w.mates[at] - 3
            else:
                raise self._refuse(end, "a loop runs over a member such as data.items, or its filter or map")
        return self._w.text(at)

    def _check_written(self, end: int) -> None:
        for at in range(self._w.mates[end], end):
            if self._w.kind(at) == "name" or self._w.text(at) == "+":
                raise self._refuse(at, "a list that a loop runs over has only texts, numbers, true and false")

    def _is_smaller(self, opening: int) -> bool:
        """Whether the call with this bracket is `filter`, or a `map` to members: `.map(i, i.price)`."""
        if self._w.text(opening - 2) != ".":
            return False
        if self._w.text(opening - 1) == "filter":
            return True
        inside = range(opening + 3, self._w.mates[opening])
        return self._w.text(opening - 1) == "map" and all(
            self._w.kind(at) == "name" or self._w.text(at) in {".", ","} for at in inside
        )

    def _regex(self, index: int) -> regexes.Cost:
        word = index + 2
        if self._w.kind(word) != "string" or self._w.mates[index + 1] != word + 1:
            raise self._refuse(index, "matches takes a regular expression that is written out")
        text = self._w.text(word)
        pattern = library.text_of(text)
        if pattern is None:
            raise self._refuse(word, "a regular expression is a text, not bytes", "filter_syntax")
        cost = regexes.cost(pattern, self._w.words[word].at)
        fault = library.regex_fault(text)
        if fault is not None:
            raise self._refuse(word, f"this is not a regular expression: {fault}", "filter_syntax")
        return cost

    def _shortest(self) -> Iterator[Path]:
        """The needs without those that are under another."""
        for path in self._needs:
            if not any(path[:length] in self._needs for length in range(1, len(path))):
                yield path


def _listed(names: frozenset[str]) -> str:
    return "known are " + ", ".join(sorted(names))
