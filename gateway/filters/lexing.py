"""The words of a CEL expression, for the bounds that are set before it is evaluated.

Whatever is not plainly a word of the language is refused, so that the bounds never look at another expression than the
evaluator does. Source: Common Expression Language, language definition, Syntax.
"""

import re
from typing import NamedTuple

from gateway.filters.errors import FilterError

_OPENING = {"(": ")", "[": "]", "{": "}"}
_WORDS = re.compile(
    r"""
    (?P<space>[ \t\r\n\f]+|//[^\r\n]*)
  | (?P<string>[bB]?[rR][bB]?(?:\"\"\"(?s:.)*?\"\"\"|'''(?s:.)*?'''|"[^"\r\n]*"|'[^'\r\n]*')
             |[bB]?(?:\"\"\"(?s:\\.|[^\\])*?\"\"\"|'''(?s:\\.|[^\\])*?'''|"(?:\\.|[^"\\\r\n])*"|'(?:\\.|[^'\\\r\n])*'))
  | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+|[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
LITERALS = frozenset({"true", "false", "null"})


class Word(NamedTuple):
    """`kind` is string, number, name, literal (true, false, null) or sign; `at` the position in the text."""

    kind: str
    text: str
    at: int


class Words(NamedTuple):
    """`mates` maps the index of every bracket to that of its partner."""

    words: tuple[Word, ...]
    mates: dict[int, int]

    def text(self, index: int) -> str:
        """The text of a word, '' outside of the expression."""
        return self.words[index].text if 0 <= index < len(self.words) else ""

    def kind(self, index: int) -> str:
        """The kind of a word, '' outside of the expression."""
        return self.words[index].kind if 0 <= index < len(self.words) else ""


def read(text: str) -> Words:
    """The words of an expression, without space and comments. Raises FilterError `filter_syntax`."""
    words: list[Word] = []
    at = 0
    while at < len(text):
        found = _WORDS.match(text, at)
        if found is None:
            raise FilterError("filter_syntax", f"{text[at]!r} cannot be read as CEL", at)
        kind = found.lastgroup or ""
        if kind != "space":
            words.append(Word("literal" if found.group() in LITERALS else kind, found.group(), at))
        at = found.end()
    return Words(tuple(words), _mates(words))


def _mates(words: list[Word]) -> dict[int, int]:
    mates: dict[int, int] = {}
    opened: list[int] = []
    for index, word in enumerate(words):
        if word.kind != "sign":
            continue
        if word.text in _OPENING:
            opened.append(index)
        elif word.text in _OPENING.values():
            if not opened or _OPENING[words[opened[-1]].text] != word.text:
                raise FilterError("filter_syntax", f"{word.text!r} closes nothing", word.at)
            mates[index] = opened.pop()
            mates[mates[index]] = index
    if opened:
        unclosed = words[opened[-1]]
        raise FilterError("filter_syntax", f"{unclosed.text!r} is not closed", unclosed.at)
    return mates
