import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.endpoint import DisabledReason, Endpoint
from gateway.model.secret import EndpointSecret, SecretKind
from gateway.model.subscriber import Kind, Subscriber
from gateway.store import registry_values as values

TOKEN = b"12345678"
texts = st.text(st.characters(codec="utf-8"), max_size=20)
ids = st.text(string.ascii_letters + string.digits + "_:-", min_size=1, max_size=100)
milliseconds = st.integers(1, 2**48)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["internal", "external"])
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
metadata = st.dictionaries(texts, json_values, max_size=3)
subscribers = st.builds(Subscriber, ids, kinds, texts, metadata, milliseconds)
secret_kinds: st.SearchStrategy[SecretKind] = st.sampled_from(["v1", "v1a", "profile"])
secrets = st.builds(EndpointSecret, ids, secret_kinds, st.binary(max_size=40), milliseconds, st.none() | milliseconds)
reasons: st.SearchStrategy[DisabledReason] = st.sampled_from(["gone", "failing", "operator"])


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    disabled = draw(st.booleans())
    return Endpoint(
        id=draw(ids),
        number=draw(st.integers(0, 2**32 - 1)),
        subscriber=draw(ids),
        kind=draw(kinds),
        url=draw(texts),
        event_types=tuple(draw(st.lists(ids, max_size=3))),
        description=draw(texts),
        metadata=draw(metadata),
        status="disabled" if disabled else "enabled",
        disabled_reason=draw(reasons) if disabled else None,
        disabled_ms=draw(milliseconds) if disabled else None,
        retry_schedule=draw(st.none() | st.lists(st.integers(1, 604_800), max_size=3).map(tuple)),
        headers=draw(st.dictionaries(texts, texts, max_size=2)),
        secrets=tuple(draw(st.lists(secrets, max_size=3))),
        created_ms=draw(milliseconds),
        updated_ms=draw(milliseconds),
        revision=draw(st.integers(1, 2**32 - 1)),
    )


@given(subscribers)
def test_a_subscriber_is_read_as_it_was_written(subscriber: Subscriber) -> None:
    assert values.unpack_subscriber(values.pack_subscriber(subscriber, TOKEN)) == (subscriber, ())


@given(subscribers)
def test_the_json_of_a_subscriber_that_was_read_is_the_stored_json(subscriber: Subscriber) -> None:
    packed = values.pack_subscriber(subscriber, TOKEN)
    assert packed.endswith(values.subscriber_json(values.unpack_subscriber(packed).subscriber))


@given(endpoints())
def test_an_endpoint_is_read_as_it_was_written(endpoint: Endpoint) -> None:
    assert values.unpack_endpoint(values.pack_endpoint(endpoint, TOKEN)) == endpoint


def test_disabled_without_a_reason_means_by_an_operator_since_the_change() -> None:
    endpoint = Endpoint("ep", 1, "acme", "external", "https://a.example", status="disabled", updated_ms=77)
    read = values.unpack_endpoint(values.pack_endpoint(endpoint, TOKEN))
    assert (read.status, read.disabled_reason, read.disabled_ms) == ("disabled", "operator", 77)


def test_an_enabled_endpoint_has_no_trace_of_being_disabled() -> None:
    endpoint = Endpoint("ep", 1, "acme", "external", "https://a.example", disabled_reason="gone", disabled_ms=5)
    read = values.unpack_endpoint(values.pack_endpoint(endpoint, TOKEN))
    assert (read.status, read.disabled_reason, read.disabled_ms) == ("enabled", None, None)


@pytest.mark.parametrize(("kind", "byte"), [("internal", b"i"), ("external", b"e")])
def test_a_kind_is_one_byte_for_the_scripts(kind: Kind, byte: bytes) -> None:
    assert values.kind_byte(kind) == byte


def test_tokens_differ() -> None:
    assert len({values.new_token() for _ in range(100)}) == 100
