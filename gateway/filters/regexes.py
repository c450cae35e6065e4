"""What a regular expression costs: the evaluator compiles it again for every string, without a limit of ours.

The figures are microseconds, measured with the regex crate that the evaluator uses; it has no backtracking, so size is
all that matters. Classes of Unicode are large, and a counted repetition is as many copies. Matching makes the states of
an automaton as it goes, which can be a new one for each character, unless there is nothing to repeat.
"""

import re
from typing import NamedTuple

from gateway.filters.errors import FilterError

MAXIMUM_LENGTH = 256
MAXIMUM_MICROSECONDS = 1_000.0
_BASE, _LETTER, _NEGATED = 10.0, 0.5, 4.0
_CLASSES = {
    "x": 4.0,
    "u": 4.0,
    "U": 4.0,
    "w": 250.0,
    "W": 250.0,
    "p": 250.0,
    "P": 250.0,
    "d": 25.0,
    "D": 25.0,
    "s": 12.0,
    "S": 12.0,
}
_FLAGS = re.compile(r"\(\?([A-Za-z]*)")
_COUNT = re.compile(r"\{\s*([0-9]{1,6})\s*(?:(,)\s*([0-9]{0,6})\s*)?\}")
_PLAIN = re.compile(r"(?:\^|\\A)?(?:[A-Za-z0-9_/:@ -]|\\[.+*?^$|/-])*\$?")
_STATE, _STATE_SIZE, _KNOWN_STATE = 0.3, 0.003, 0.003
_OPENED = re.compile(r"\[\^?\]?")
"""A bracket directly after the opening one stands for itself."""
_ESCAPE = re.compile(r"\\(?:[pPxuU]\{[^}]*\}|[pP][A-Za-z]|(?s:.))")


class Cost(NamedTuple):
    """Microseconds at most: to compile the pattern, and per character that is looked at."""

    compiling: float
    character: float


def cost(pattern: str, at: int) -> Cost:
    """What a pattern costs. Raises FilterError for one that is too long, too large or unreadable."""
    if len(pattern) > MAXIMUM_LENGTH:
        raise FilterError("filter_too_complex", f"a regular expression may have {MAXIMUM_LENGTH} characters", at)
    flags = "".join(_FLAGS.findall(pattern))
    if "x" in flags:
        raise FilterError("filter_too_complex", "the flag x of regular expressions is not supported", at)
    # without regard to case each letter is a class of its own
    compiling = _Reader(pattern, at).read() * (4.0 if "i" in flags else 1.0) + _BASE
    if compiling > MAXIMUM_MICROSECONDS:
        raise FilterError(
            "filter_too_complex",
            "this regular expression is too large: use fewer \\w and \\p, [A-Za-z0-9_] instead, or smaller counts",
            at,
        )
    plain = _PLAIN.fullmatch(pattern) is not None
    return Cost(compiling, _KNOWN_STATE if plain else _STATE + _STATE_SIZE * compiling)


class _Reader:
    """Adds up a pattern; `totals` has one sum per open group, `last` is what a count would repeat."""

    def __init__(self, pattern: str, at: int) -> None:
        self._pattern, self._at = pattern, at
        self._totals = [0.0]
        self._last = 0.0

    def read(self) -> float:
        at = 0
        while at < len(self._pattern):
            at = self._step(at)
        return sum(self._totals)

    def _step(self, at: int) -> int:
        sign = self._pattern[at]
        if sign == "(":
            self._totals.append(_LETTER)
        elif sign == ")" and len(self._totals) > 1:
            self._add(self._totals.pop())
        elif sign == "[":
            return self._class(at)
        elif sign == "{":
            return self._count(at)
        elif sign == "\\":
            found = _ESCAPE.match(self._pattern, at)
            self._add(_CLASSES.get(self._pattern[at + 1 : at + 2], _LETTER))
            return found.end() if found else at + 1
        elif sign not in "*+?":
            self._add(_NEGATED if sign == "." else _LETTER)
        return at + 1

    def _add(self, cost: float) -> None:
        self._totals[-1] += cost
        self._last = cost

    def _class(self, start: int) -> int:
        """A class, which may hold others; its cost is that of all that stands in it."""
        at, depth, cost = start, 0, _LETTER
        while at < len(self._pattern):
            found = _ESCAPE.match(self._pattern, at)
            opened = _OPENED.match(self._pattern, at)
            if found:
                cost += _CLASSES.get(self._pattern[at + 1 : at + 2], 0.0)
                at = found.end()
            elif opened:
                depth += 1
                cost += _NEGATED * ("^" in opened.group())
                at = opened.end()
            else:
                depth -= self._pattern[at] == "]"
                cost += _NEGATED * (not self._pattern[at].isascii())
                at += 1
            if depth == 0:
                break
        self._add(cost)
        return at

    def _count(self, at: int) -> int:
        found = _COUNT.match(self._pattern, at)
        if found is None:
            raise FilterError("filter_syntax", "a count in a regular expression is {2}, {2,} or {2,5}", self._at)
        least, comma, most = found.groups()
        times = max(int(least) + bool(comma), int(most or 0), 1)
        self._totals[-1] += self._last * (times - 1)
        self._last *= times
        return found.end()
