"""Filters: one CEL expression per endpoint over the event, true for the events that it gets.

    text --compile--> Filter (program, shape)
    event --> EventValues (parsed once) --Filter.matches--> True | False | FilterFailed: counts as not matched

Variables are the attributes `id source type subject time partitionkey subscriber datacontenttype`, '' when absent, and
`data`, the payload. The language is CEL as the evaluator `common-expression-language` has it.

Invariants:
- a filter never holds up the event loop: the time an evaluation can take is bounded before it begins (`cost`), from the
  expression's shape and from what it reads of this event, of which at most 2,000 values are converted;
- the answer depends on the expression and the event alone, never on a clock or on other filters;
- whatever goes wrong is the filter's: FilterFailed, with a reason for people.

It refuses loops over lists that the expression makes larger, regular expressions that are not written out or large,
names that an event does not have, and text over 4,096 bytes.
"""

from gateway.filters.compiled import MAXIMUM_BYTES, Filter, compile  # noqa: A004 - as in re.compile
from gateway.filters.errors import Code, FilterError, FilterFailed
from gateway.filters.shape import VARIABLES
from gateway.filters.values import EventValues

__all__ = ["MAXIMUM_BYTES", "VARIABLES", "Code", "EventValues", "Filter", "FilterError", "FilterFailed", "compile"]
