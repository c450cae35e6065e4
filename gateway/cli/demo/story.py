"""The four acts. Each does something by the API, waits until it is seen, and shows it.

What must be seen is checked, not assumed: the right service, the right event, verified, the right attempt. What is not
seen in time ends the story with ActFailed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rich.console import Console

from gateway import rfc3339
from gateway.cli.demo import lines
from gateway.cli.demo.api import Api, ApiFailed
from gateway.cli.demo.lines import Line
from gateway.cli.demo.orders import Orders
from gateway.cli.demo.shop import Shop
from gateway.clock import Clock
from receivers.clock import wall_seconds

EVENT_TYPE = "order.placed"
PATIENCE_SECONDS = 20.0
READING_SECONDS = 0.5
"""Between two acts, for a person who reads along."""
_POLL_SECONDS = 0.05
_ERRORS = {"connect_refused": "connection refused", "connect_timeout": "no connection", "reset": "connection reset"}


class ActFailed(Exception):
    """What an act waited for did not happen; `log` is the process to look at."""

    code = "act_failed"

    def __init__(self, act: str, why: str, log: str) -> None:
        super().__init__(f"{act}: {why}")
        self.act = act
        self.log = log


class Published(NamedTuple):
    """An event of the story: its order, its id, when it was sent and when it was accepted."""

    order: str
    id: str
    sent_ms: float
    accepted_at: str


class Story:
    """Told once. `patience_seconds` is how long each thing that must happen is waited for."""

    def __init__(
        self,
        api: Api,
        shop: Shop,
        orders: Orders,
        console: Console,
        clock: Clock,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._api = api
        self._shop = shop
        self._orders = orders
        self._console = console
        self._clock = clock
        self._patience = patience_seconds
        self._events: list[Published] = []
        self.delivery_id = ""
        """the delivery that act 3 sent again, for the reader to try"""

    async def tell(self) -> None:
        """All four acts. Raises ActFailed."""
        acts: tuple[tuple[str, str, Callable[[], Awaitable[None]]], ...] = (
            ("One event, two independent receivers", "dispatcher-1", self._one_event_two_receivers),
            ("Shipping is down", "dispatcher-1", self._shipping_is_down),
            (f"An operator sends {self._orders.coming()} to payments again", "dispatcher-1", self._sent_again),
            ("Loyalty joins now and asks for the past", "worker", self._loyalty_joins),
        )
        for number, (title, log, act) in enumerate(acts, 1):
            lines.title(self._console, number, title)
            try:
                await act()
            except ApiFailed as error:
                raise ActFailed(f"act {number} ({title})", str(error), "gateway") from None
            except _NotSeen as missing:
                raise ActFailed(f"act {number} ({title})", str(missing), log) from None
            if self._console.is_terminal:
                await self._clock.sleep(READING_SECONDS)

    async def _one_event_two_receivers(self) -> None:
        event = await self._publish()
        for _ in ("payments", "shipping"):
            self._show(await self._handled(event, {"payments", "shipping"}, attempt=1), event.sent_ms)

    async def _shipping_is_down(self) -> None:
        await self._shop.close("shipping")
        await self._shop.hold("shipping")
        event = await self._publish()
        self._show(await self._handled(event, {"payments"}, attempt=1), event.sent_ms)
        delivery = await self._delivery(event, "shipping")
        for number in (1, 2):
            self._show_failure(event, await self._failed_attempt(delivery, number))
        await self._shop.release("shipping")
        lines.aside(self._console, "shipping is back")
        self._show(await self._handled(event, {"shipping"}, attempt=3), event.sent_ms)

    async def _sent_again(self) -> None:
        event = self._events[0]
        self.delivery_id = await self._delivery(event, "payments")
        began = _now_ms()
        await self._api.post(f"/v1/deliveries/{self.delivery_id}/redeliver")
        self._accepted("operator", EVENT_TYPE, event.order, began, "send it again, only to payments")
        self._show(await self._said(event, {"payments"}, "duplicate", attempt=2), began)

    async def _loyalty_joins(self) -> None:
        await self._shop.join("loyalty")
        began = _now_ms()
        asked = {"endpoint": "loyalty", "since": self._events[0].accepted_at, "mode": "fill"}
        replay = await self._api.post("/v1/replays", asked)
        past = f"everything since {self._events[0].order}, only to loyalty"
        self._accepted("operator", "replay", "", began, past)
        waiting = {event.id: event for event in self._events}
        while waiting:
            said = await self._take(
                lambda line: line.get("service") == "loyalty" and line.get("id") in waiting and _is(line, "handled"),
                f"loyalty did not handle {', '.join(event.order for event in waiting.values())}",
            )
            del waiting[said["id"]]
            self._show(said, began)
        done = await self._completed(replay["id"])
        lines.aside(self._console, f"replay completed: {done['delivered']} of {done['total']} delivered")

    async def _publish(self) -> Published:
        order = self._orders.next()
        sent_ms = _now_ms()
        answer = await self._api.post(
            "/v1/events",
            {
                "type": EVENT_TYPE,
                "source": "/shop",
                "subject": order,
                "data": {"order": order, "total": "25.00 EUR"},
            },
        )
        event = Published(order, answer["id"], sent_ms, answer["accepted_at"])
        self._events.append(event)
        self._accepted("shop", EVENT_TYPE, order, sent_ms, "publishes, once")
        return event

    async def _handled(self, event: Published, services: set[str], attempt: int) -> Any:
        return await self._said(event, services, "handled", attempt)

    async def _said(self, event: Published, services: set[str], outcome: str, attempt: int) -> Any:
        return await self._take(
            lambda line: (
                line.get("service") in services
                and line.get("id") == event.id
                and line.get("attempt") == attempt
                and _is(line, outcome)
            ),
            f"{' and '.join(sorted(services))} did not get attempt {attempt} of {event.order}",
        )

    async def _take(self, wanted: Callable[[Any], bool], otherwise: str) -> Any:
        try:
            return await self._shop.feed.take(wanted, self._patience)
        except TimeoutError:
            raise _NotSeen(f"{otherwise} within {self._patience:g} s") from None

    async def _delivery(self, event: Published, endpoint: str) -> str:
        async def ask() -> Any:
            page = await self._api.get("/v1/deliveries", event=event.id, endpoint=endpoint)
            return page["data"][0]["id"] if page["data"] else None

        return str(await self._until(ask, f"no delivery of {event.order} to {endpoint}"))

    async def _failed_attempt(self, delivery: str, number: int) -> Any:
        async def ask() -> Any:
            attempts = (await self._api.get(f"/v1/deliveries/{delivery}"))["attempts"]
            return next((attempt for attempt in attempts if attempt["number"] == number), None)

        return await self._until(ask, f"no attempt {number} of {delivery}")

    async def _completed(self, replay: str) -> Any:
        async def ask() -> Any:
            now = await self._api.get(f"/v1/replays/{replay}")
            return now if now["status"] == "completed" else None

        return await self._until(ask, f"replay {replay} is not completed")

    async def _until(self, ask: Callable[[], Awaitable[Any]], otherwise: str) -> Any:
        try:
            async with asyncio.timeout(self._patience):
                while (answer := await ask()) is None:
                    await self._clock.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise _NotSeen(f"{otherwise} within {self._patience:g} s") from None
        return answer

    def _accepted(self, who: str, event: str, order: str, began_ms: float, note: str) -> None:
        after = _now_ms() - began_ms
        lines.show(self._console, Line(who, event, order, 202, None, "accepted", after, note))

    def _show(self, said: Any, began_ms: float) -> None:
        lines.show(self._console, lines.of_service(said, began_ms))

    def _show_failure(self, event: Published, attempt: Any) -> None:
        ended = rfc3339.parse_ms(attempt["started_at"]) + attempt["duration_ms"]
        proof = _ERRORS.get(attempt["error"], str(attempt["error"]).replace("_", " "))
        note = "kept, sent again by the schedule"
        after = max(0.0, ended - event.sent_ms)
        lines.show(
            self._console, Line("shipping", EVENT_TYPE, event.order, None, attempt["number"], proof, after, note)
        )


def _now_ms() -> float:
    # the clock of the services' lines, finer than whole milliseconds
    return wall_seconds() * 1_000


class _NotSeen(Exception):
    """Something did not happen in time."""


def _is(line: Any, outcome: str) -> bool:
    return line.get("outcome") == outcome and line.get("verified") is True
