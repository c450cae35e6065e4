"""Subscribers."""

from typing import get_args

from gateway.model.subscriber import Kind, Subscriber


def test_there_are_two_kinds_and_no_default() -> None:
    assert get_args(Kind) == ("internal", "external")
    subscriber = Subscriber("acme", "external")
    assert (subscriber.name, subscriber.metadata) == ("", {})
