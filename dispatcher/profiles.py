"""Signature profiles at work: the further headers of an attempt, as `gateway.model.profile` describes them."""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence

from gateway.model import profile as model
from gateway.model import secret
from gateway.model.endpoint import Endpoint
from receivers.errors import SecretError

Headers = tuple[tuple[str, str], ...]
Profile = Callable[[bytes, int, int], Headers]
"""`profile(body, seconds, now_ms)`: its headers, names in lower case; `seconds` as in `webhook-timestamp`."""
_Keyed = tuple[hmac.HMAC, int | None]


def profile_of(endpoint: Endpoint, texts: Mapping[str, str]) -> Profile | None:
    """An endpoint's profile made ready, None without one; `texts` are those of its secrets by id.

    Raises SecretError.
    """
    given = endpoint.signature_profile
    if given is None:
        return None
    own = secret.of_kind(endpoint.secrets, "profile") or secret.of_kind(endpoint.secrets, "v1")
    if not own:
        raise SecretError("secret_missing", f"endpoint {endpoint.id} has no secret for its signature profile")
    if given.kind == "stripe":
        return _stripe([(_state(texts[one.id].encode(), "sha256"), one.expires_ms) for one in own])
    given = model.as_hmac(given)
    return _hmac(given, _state(model.key_of(texts[own[0].id], given.key_encoding), given.algorithm))


def _state(key: bytes, algorithm: str) -> hmac.HMAC:
    return hmac.new(key, digestmod=algorithm)


def _stripe(keyed: Sequence[_Keyed]) -> Profile:
    def headers(body: bytes, seconds: int, now_ms: int) -> Headers:
        elements = [f"t={seconds}"]
        for state, expires_ms in keyed:
            if expires_ms is None or now_ms < expires_ms:
                elements.append(f"v1={_digest(state, b'%d.' % seconds, body).hex()}")
        return ((model.STRIPE_HEADER, ",".join(elements)),)

    return headers


def _hmac(given: model.SignatureProfile, state: hmac.HMAC) -> Profile:
    name, prefix, timestamp = given.header.lower(), given.prefix, given.timestamp
    encoded = bytes.hex if given.encoding == "hex" else _base64

    def bare(body: bytes, _seconds: int, _now_ms: int) -> Headers:
        return ((name, prefix + encoded(_digest(state, b"", body))),)

    def timed(body: bytes, seconds: int, _now_ms: int) -> Headers:
        assert timestamp is not None  # noqa: S101 - chosen below
        before = f"{timestamp.prefix}{seconds}{timestamp.separator}".encode()
        signature = (name, prefix + encoded(_digest(state, before, body)))
        return signature, (timestamp.header.lower(), str(seconds))

    return bare if timestamp is None else timed


def _digest(state: hmac.HMAC, before: bytes, body: bytes) -> bytes:
    copied = state.copy()
    copied.update(before)
    copied.update(body)
    return copied.digest()


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()
