"""What holds for an endpoint now, out of its registration, its breaker and the deployment's defaults: pure."""

from typing import NamedTuple

from gateway.model.delivery import Reason
from gateway.model.endpoint import Endpoint, Rate
from gateway.settings import Settings


class Terms(NamedTuple):
    """Limits for the whole deployment, not yet this dispatcher's share of them.

    `off` is why nothing may be sent to it; `hold` why live deliveries are held (Reason.NONE: they are not); `replays`
    whether those of replays may go; `aside` whether a failed delivery of an ordering key lets the next ones pass.
    """

    max_in_flight: int
    rate: Rate | None
    schedule: tuple[int, ...]
    deadline_seconds: int
    ordered: bool
    aside: bool
    hold: Reason
    replays: bool
    off: Reason | None = None


def terms(endpoint: Endpoint | None, settings: Settings, *, broken: bool) -> Terms:
    """The terms of an endpoint; of one that was deleted, the defaults."""
    if endpoint is None:
        return Terms(
            settings.max_in_flight, None, settings.retry_schedule, settings.deadline_seconds,
            ordered=False, aside=False, hold=Reason.NONE, replays=True, off=Reason.ENDPOINT_DELETED,
        )  # fmt: skip
    return Terms(
        endpoint.max_in_flight or settings.max_in_flight,
        endpoint.rate,
        endpoint.retry_schedule or settings.retry_schedule,
        endpoint.deadline_seconds or settings.deadline_seconds,
        ordered=endpoint.ordered,
        aside=endpoint.on_failure == "skip",
        hold=hold(endpoint, broken=broken),
        # what an endpoint catches up with must not wait for what waits for it
        replays=endpoint.status != "paused" and (not broken or bool(endpoint.catch_up)),
        off=Reason.ENDPOINT_DISABLED if endpoint.status == "disabled" else None,
    )


def hold(endpoint: Endpoint, *, broken: bool) -> Reason:
    """Why its live deliveries are held; what a person asked for comes before what we found out."""
    if endpoint.status == "paused" or endpoint.catch_up:
        return Reason.PAUSED
    return Reason.BREAKER if broken and endpoint.status == "enabled" else Reason.NONE
