"""An event as filters see it: its data parsed once, only what they read converted, an answer remembered by text.

Made for one event and thrown away with it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from gateway.filters import library
from gateway.filters.errors import FilterFailed
from gateway.filters.shape import DATA, Path
from gateway.model.event import Event

MAXIMUM_NODES = 2_000
"""Values that one filter may read of one event; converting one takes a microsecond."""
_CONVERTING_US, _NODE_US, _BYTE_US = 5.0, 1.0, 0.005
DATACONTENTTYPE = "application/json"
_decode = msgspec.json.Decoder().decode
_Tree = dict[str, Any]
K = TypeVar("K")
V = TypeVar("V")


class Facts(NamedTuple):
    """How much there is to read: values, items of the longest list or map, characters."""

    nodes: int = 1
    longest: int = 1
    characters: int = 0


def _once(known: dict[K, V | FilterFailed], key: K, make: Callable[[], V]) -> V:
    """What was made for a key, made on first use; a failure is remembered, too, and raised again."""
    found = known.get(key)
    if found is None:
        try:
            found = make()
        except FilterFailed as failed:
            found = failed
        known[key] = found
    if isinstance(found, FilterFailed):
        raise found.with_traceback(None)
    return found


class EventValues:
    """What filters read of one event. `spent_us` estimates the microseconds that all of it took until now."""

    def __init__(self, event: Event) -> None:
        self.spent_us = 0.0
        self._event = event
        self._data: Any = msgspec.UNSET
        self._made: dict[frozenset[Path], tuple[library.Context, Facts] | FilterFailed] = {}
        self._answers: dict[str, bool | FilterFailed] = {}

    def answer(self, text: str, judge: Callable[["EventValues"], bool]) -> bool:
        """The answer of the filter with this text, asked of `judge` once. Raises FilterFailed."""
        return _once(self._answers, text, lambda: judge(self))

    def of(self, needs: frozenset[Path]) -> tuple[library.Context, Facts]:
        """These paths in the evaluator's form, and how much that is. Raises FilterFailed."""
        return _once(self._made, needs, lambda: self._make(needs))

    def _make(self, needs: frozenset[Path]) -> tuple[library.Context, Facts]:
        values: dict[str, Any] = {}
        for name, under in _tree(needs).items():
            values[name] = _project(self._parsed(), under) if name == DATA else self._attribute(name)
        measured = _Measure()
        for value in values.values():
            measured.add(value)
        self.spent_us += _CONVERTING_US + measured.facts.nodes * _NODE_US
        return library.context(values), measured.facts

    def _attribute(self, name: str) -> str:
        return DATACONTENTTYPE if name == "datacontenttype" else getattr(self._event, name)

    def _parsed(self) -> Any:
        if self._data is msgspec.UNSET:
            self.spent_us += len(self._event.data) * _BYTE_US
            try:
                self._data = _decode(self._event.data)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
                raise FilterFailed("the data of the event is not JSON") from None
        return self._data


def _tree(needs: Iterable[Path]) -> _Tree:
    tree: _Tree = {}
    for path in needs:
        under = tree
        for name in path:
            under = under.setdefault(name, {})
    return tree


def _project(value: Any, tree: Mapping[str, Any]) -> Any:
    """The members of a value that the tree names; all of it where the tree ends, or where it is no object."""
    if not tree or type(value) is not dict:
        return value
    return {name: _project(value[name], under) for name, under in tree.items() if name in value}


class _Measure:
    """Adds up facts. Raises FilterFailed as soon as it is too much, so that measuring is bounded itself."""

    def __init__(self) -> None:
        self._nodes = self._longest = self._characters = 0

    @property
    def facts(self) -> Facts:
        return Facts(self._nodes, max(1, self._longest), self._characters)

    def add(self, value: Any) -> None:
        self._nodes += 1
        if self._nodes > MAXIMUM_NODES:
            raise FilterFailed(f"it reads more than {MAXIMUM_NODES} values of this event: let it name members")
        kind = type(value)
        if kind is str:
            self._characters += len(value)
        elif kind is list or kind is dict:
            self._longest = max(self._longest, len(value))
            for inner in value:
                if kind is list:
                    self.add(inner)
                else:
                    self._characters += len(inner)
                    self.add(value[inner])
