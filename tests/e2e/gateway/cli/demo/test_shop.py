"""The shop's services: registered, started, stopped, on hold."""

from gateway.cli.demo.shop import Shop
from tests.support.system import System


async def test_a_service_joins_opens_closes_and_keeps_its_secret(shop: Shop, without_dispatcher: System) -> None:
    await shop.join("shipping")
    before = without_dispatcher.api.get("/v1/endpoints/shipping/secret")
    assert without_dispatcher.api.get("/v1/endpoints/shipping")["retry_schedule"] == [1, 1, 2]
    await shop.close("shipping")
    await shop.hold("shipping")
    await shop.release("shipping")
    await shop.close("shipping")
    await shop.join("shipping")
    assert without_dispatcher.api.get("/v1/endpoints/shipping/secret") == before
    await shop.leave("shipping")
    assert without_dispatcher.api.get("/v1/endpoints") == {"data": [], "next": None}
