"""What holds for an endpoint: out of its registration, its breaker and the deployment's defaults."""

from typing import Any

import pytest

from dispatcher.terms import Terms, hold, terms
from gateway.model.delivery import Reason
from gateway.model.endpoint import Endpoint, Rate
from gateway.settings import Settings

SETTINGS = Settings(max_in_flight=7, retry_schedule=(1, 2), deadline_seconds=9)


def endpoint(**fields: Any) -> Endpoint:
    return Endpoint("ep", 1, "sub", "internal", "http://127.0.0.1/", **fields)


def test_what_an_endpoint_does_not_say_the_deployment_does() -> None:
    assert terms(endpoint(), SETTINGS, broken=False) == Terms(
        7, None, (1, 2), 9, ordered=False, aside=False, hold=Reason.NONE, replays=True
    )


def test_what_it_says_comes_first() -> None:
    rate = Rate(3.5, 2)
    own = endpoint(
        max_in_flight=1, rate=rate, retry_schedule=(5,), deadline_seconds=30, ordered=True, on_failure="skip"
    )
    assert terms(own, SETTINGS, broken=False) == Terms(
        1, rate, (5,), 30, ordered=True, aside=True, hold=Reason.NONE, replays=True
    )


def test_a_deleted_one_has_the_defaults_and_holds_nothing() -> None:
    gone = terms(None, SETTINGS, broken=True)
    assert (gone.max_in_flight, gone.schedule, gone.deadline_seconds) == (7, (1, 2), 9)
    assert (gone.hold, gone.replays, gone.ordered) == (Reason.NONE, True, False)
    assert gone.off is Reason.ENDPOINT_DELETED
    assert terms(endpoint(status="disabled"), SETTINGS, broken=False).off is Reason.ENDPOINT_DISABLED


@pytest.mark.parametrize(
    ("fields", "broken", "wanted", "replays"),
    [
        ({}, False, Reason.NONE, True),
        ({}, True, Reason.BREAKER, False),
        ({"status": "paused"}, False, Reason.PAUSED, False),
        ({"status": "paused"}, True, Reason.PAUSED, False),
        ({"catch_up": "rpl_1"}, False, Reason.PAUSED, True),
        ({"catch_up": "rpl_1"}, True, Reason.PAUSED, True),
        ({"catch_up": "rpl_1", "status": "paused"}, False, Reason.PAUSED, False),
        ({"status": "disabled"}, True, Reason.NONE, False),
        ({"status": "disabled"}, False, Reason.NONE, True),
    ],
)
def test_why_live_deliveries_are_held_and_whether_replays_go(
    fields: dict[str, Any], broken: bool, wanted: Reason, replays: bool
) -> None:
    one = endpoint(**fields)
    assert hold(one, broken=broken) is wanted
    found = terms(one, SETTINGS, broken=broken)
    assert (found.hold, found.replays) == (wanted, replays)
