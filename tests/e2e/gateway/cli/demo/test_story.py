"""A story that does not go as it must: the act and the log to look at are named."""

import io
from pathlib import Path

import pytest

from gateway.cli import console as look
from gateway.cli.demo.api import Api
from gateway.cli.demo.orders import Orders
from gateway.cli.demo.shop import Shop
from gateway.cli.demo.story import ActFailed, Story
from gateway.clock import SystemClock
from tests.support.system import System


async def test_nothing_is_delivered(shop: Shop, without_dispatcher: System, tmp_path: Path) -> None:
    await shop.join("payments")
    file = io.StringIO()
    async with Api(without_dispatcher.url, without_dispatcher.key) as api:
        story = Story(api, shop, Orders(tmp_path / "orders"), look.make(file), SystemClock(), patience_seconds=0.3)
        with pytest.raises(ActFailed) as failed:
            await story.tell()
    assert str(failed.value) == (
        "act 1 (One event, two independent receivers): payments and shipping did not get attempt 1 of order-1 "
        "within 0.3 s"
    )
    assert failed.value.log == "dispatcher-1"
    assert "order-1    202" in file.getvalue()


async def test_the_gateway_is_gone(shop: Shop, without_dispatcher: System, tmp_path: Path) -> None:
    without_dispatcher.kill9("gateway")
    async with Api(without_dispatcher.url, without_dispatcher.key) as api:
        story = Story(api, shop, Orders(tmp_path / "orders"), look.make(io.StringIO()), SystemClock())
        with pytest.raises(ActFailed, match=r"act 1 .*POST /v1/events: no answer") as failed:
            await story.tell()
    assert failed.value.log == "gateway"
