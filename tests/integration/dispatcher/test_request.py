"""What receivers get in each format and policy, and that the API shows exactly that."""

import hashlib
from typing import Any

import msgspec
import pytest

from gateway import ids
from gateway.api import delivery_types
from gateway.model.endpoint import Endpoint
from gateway.model.profile import SignatureProfile
from gateway.store import endpoint_secrets, log, work
from receivers import Verifier
from tests.integration.dispatcher.receiver import Received
from tests.integration.dispatcher.rig import Rig

FIELDS: dict[str, Any] = {
    "subject": "Grüße",
    "partitionkey": "7",
    "time": "2026-01-02T03:04:05Z",
    "data": b'{"n":1.0 }',
}


async def assert_shown(rig: Rig, address: ids.Address, endpoint: Endpoint, sent: Received, number: int = 1) -> None:
    """The API shows the request that came, header by header."""
    stored = (await rig.attempts(address, endpoint))[number - 1]
    event = await log.read(rig.redis, rig.partitions[address.partition], address)
    view = delivery_types.attempt_view(rig.key(address, endpoint), number, stored, event, header_values=True)
    assert view.request is not None
    assert view.request.headers == sent.headers
    assert view.request.body_sha256 == hashlib.sha256(sent.body).hexdigest()


@pytest.mark.parametrize("format_", ["standard", "cloudevents", "cloudevents-binary", "raw"])
async def test_every_format_is_sent_signed_and_shown(rig: Rig, format_: str) -> None:
    profile = SignatureProfile("github")
    shop = await rig.endpoint("shop", format=format_, signature_profile=profile, headers={"x-team": "a"})
    hand = await rig.hand()
    (address,) = await rig.publish(**FIELDS)
    await hand.work()
    (sent,) = rig.receiver.requests
    assert Verifier([rig.secret(shop)]).verify(sent.body, sent.headers).id == address.event_id
    assert sent.headers["x-hub-signature-256"].startswith("sha256=")
    assert b'{"n":1.0 }' in sent.body
    await assert_shown(rig, address, shop, sent)


async def test_endpoints_of_different_formats_get_one_event_each_in_theirs(rig: Rig) -> None:
    formats = ("standard", "cloudevents", "cloudevents-binary", "raw")
    made = [rig.made(format_, "all", format=format_) for format_ in formats]
    await rig.registry.create_subscriber(rig.subscriber("all"), made)
    hand = await rig.hand()
    await rig.publish(**FIELDS)
    await hand.work()
    by_name = {sent.name: sent for sent in rig.receiver.requests}
    types = {name: sent.headers["content-type"] for name, sent in by_name.items()}
    assert types == dict.fromkeys(formats, "application/json") | {"cloudevents": "application/cloudevents+json"}
    assert by_name["raw"].body == by_name["cloudevents-binary"].body == FIELDS["data"]
    assert by_name["cloudevents-binary"].headers["ce-subject"] == "Gr%C3%BC%C3%9Fe"
    assert msgspec.json.decode(by_name["cloudevents"].body)["subject"] == "Grüße"
    assert "timestamp" in msgspec.json.decode(by_name["standard"].body)
    assert not any(name.startswith("ce-") for name in by_name["raw"].headers)


async def test_a_rotation_holds_from_the_next_event_and_ends_by_the_clock(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    old = shop.secrets[0]
    new = endpoint_secrets.seal(rig._vault, "shop", "v1", endpoint_secrets.generate("v1"), 1)
    ends = hand.clock.wall_ms() + 3_000
    both = msgspec.structs.replace(shop, secrets=(new, msgspec.structs.replace(old, expires_ms=ends)))
    shop = await rig.registry.update_endpoint(both, shop.revision)
    await rig.publish()
    await hand.work()
    hand.clock.jump(3.0)
    (last,) = await rig.publish()
    await hand.work()
    first, second = rig.receiver.requests
    held = [endpoint_secrets.text_of(rig._vault, "shop", one) for one in (new, old)]
    assert [len(sent.headers["webhook-signature"].split(" ")) for sent in (first, second)] == [2, 1]
    for text in held:
        assert Verifier([text]).verify(first.body, first.headers)
    assert Verifier(held, tolerance_seconds=400).verify(second.body, second.headers).secret_index == 0
    await assert_shown(rig, last, shop, second)


async def test_ordered_deliveries_say_their_place_and_others_do_not(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    await rig.endpoint("other")
    hand = await rig.hand()
    addresses = await rig.publish(2, partitionkey="7")
    await hand.work()
    places = [sent.headers.get("webhook-sequence") for sent in rig.receiver.requests if sent.name == "shop"]
    assert places == [str(address.ms * 1_000_000 + address.seq) for address in addresses]
    others = [sent for sent in rig.receiver.requests if sent.name == "other"]
    assert ["webhook-sequence" in sent.headers for sent in others] == [False, False]
    sent = next(sent for sent in rig.receiver.requests if sent.name == "shop")
    await assert_shown(rig, addresses[0], shop, sent)


@pytest.mark.parametrize(
    ("kind", "said"), [(work.Kind.MANUAL, "manual"), (work.Kind.FILL, "replay"), (work.Kind.AGAIN, "replay")]
)
async def test_what_a_person_asked_for_stands_outside_live_order(rig: Rig, kind: work.Kind, said: str) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 410 if kind is work.Kind.FILL else 200)
    (address,) = await rig.publish()
    await hand.work()
    await hand.attempts.finish()
    await hand.settle()
    rig.receiver.answer("shop", 200)
    await rig.switch(shop, "enabled")
    await rig.order(address, shop, kind, 0 if kind is work.Kind.MANUAL else 1)
    await hand.turn("membership")
    await hand.work()
    first, second = rig.receiver.requests
    assert "webhook-trigger" not in first.headers
    assert second.headers["webhook-trigger"] == said
    assert second.headers.get("webhook-replay") == ("1" if kind is work.Kind.AGAIN else None)
