"""Checking signatures: strict in every field, one exception type, nothing weaker ever tried instead.

    raw body + headers -> id, timestamp, signature, once each -> shapes -> time -> signatures against secrets

Invariants
- Only VerificationError comes out of `verify`, whatever bytes and headers go in.
- The timestamp and the id are signed as the text that came, so `01` is not `1`.
- Comparison is `hmac.compare_digest` on whole decoded bytes of the exact length.
- A `whsec_` secret looks only at `v1`, a `whpk_` key only at `v1a`; other versions and malformed elements never match.
- Work is bounded: 16 signatures, 4096 characters.

It refuses to parse: an event is read from the body only after the signature is good (`receivers.event`).
Source: Standard Webhooks 1.0, "Verifying signatures".
"""

import base64
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from receivers import clock
from receivers.errors import SecretError, VerificationError
from receivers.headers import Headers, RawHeaders, read
from receivers.secrets import PublicKey, SymmetricSecret, parse
from receivers.signing import WEBHOOK_ID

DEFAULT_TOLERANCE_SECONDS = 300
MAXIMUM_SIGNATURES = 16

_MAXIMUM_HEADER_LENGTH = 4096
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_ATTEMPT = re.compile(r"[1-9][0-9]{0,8}")
_SHAPES = {"v1": (44, 32), "v1a": (88, 64)}
"""Version -> characters of padded base64, bytes of signature."""

_Check = Callable[[bytes, bytes, list[bytes]], bool]
"""(signed prefix, body, signatures of the check's version) -> whether one of them is good."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What is proven about a request (`id`, `timestamp` in seconds), by which secret, and the sender's claim `attempt`.

    `secret_index` counts the secrets as given; a secret that never matches any more can be removed. `attempt` is not
    covered by the signature and None when absent or malformed.
    """

    id: str
    timestamp: int
    attempt: int | None
    version: str
    secret_index: int


class Verifier:
    """Secrets made ready for many requests.

    Raises SecretError for a secret that cannot verify, ValueError for a negative tolerance. `now` gives seconds since
    the epoch.
    """

    def __init__(
        self,
        secrets: str | Sequence[str],
        *,
        tolerance_seconds: float = DEFAULT_TOLERANCE_SECONDS,
        now: Callable[[], float] = clock.wall_seconds,
    ) -> None:
        if not tolerance_seconds >= 0:
            raise ValueError(f"tolerance_seconds is {tolerance_seconds}, it must be 0 or more")
        self.tolerance_seconds = tolerance_seconds
        self._now = now
        self._checks = [_check_for(text) for text in _texts(secrets)]

    def verify(self, body: bytes, headers: RawHeaders | Headers) -> Verified:
        """Prove that the request comes from a holder of a secret; raises VerificationError, nothing else."""
        raw = _raw(body)
        fields = headers if isinstance(headers, Headers) else read(headers)
        webhook_id = _id(fields.exactly_one("webhook-id"))
        timestamp = self._timestamp(fields.exactly_one("webhook-timestamp"))
        signatures = _signatures(fields.exactly_one("webhook-signature"))
        prefix = f"{webhook_id}.{timestamp}.".encode("ascii")
        index, version = self._match(prefix, raw, signatures)
        return Verified(webhook_id, int(timestamp), _attempt(fields), version, index)

    def _timestamp(self, text: str) -> str:
        if not _TIMESTAMP.fullmatch(text):
            raise VerificationError("timestamp_invalid", "webhook-timestamp is not 1-12 digits")
        age = self._now() - int(text)
        if age > self.tolerance_seconds:
            raise VerificationError("timestamp_too_old", f"sent {age:.0f} s ago, {self._allowed}")
        if age < -self.tolerance_seconds:
            raise VerificationError("timestamp_too_new", f"sent {-age:.0f} s in the future, {self._allowed}")
        return text

    @property
    def _allowed(self) -> str:
        return f"allowed are {self.tolerance_seconds:g} s; check both clocks"

    def _match(self, prefix: bytes, body: bytes, signatures: list[tuple[str, bytes]]) -> tuple[int, str]:
        for index, (version, check) in enumerate(self._checks):
            presented = [signature for given, signature in signatures if given == version]
            if presented and check(prefix, body, presented):
                return index, version
        raise VerificationError(
            "signature_mismatch",
            "no signature fits: another secret, or the body is not byte for byte what was sent",
        )


def verify(
    body: bytes,
    headers: RawHeaders,
    secrets: str | Sequence[str],
    *,
    tolerance_seconds: float = DEFAULT_TOLERANCE_SECONDS,
    now: Callable[[], float] = clock.wall_seconds,
) -> Verified:
    """Verify one request against one or several secrets (`whsec_` or `whpk_`; several during rotation).

    `body` is the raw body as received. Raises only VerificationError; a secret of ours that cannot be used has the
    code `secret_invalid`. For many requests build a Verifier once.
    """
    try:
        verifier = Verifier(secrets, tolerance_seconds=tolerance_seconds, now=now)
    except SecretError as error:
        raise VerificationError("secret_invalid", str(error)) from None
    return verifier.verify(body, headers)


def _texts(secrets: str | Sequence[str]) -> list[str]:
    texts = [secrets] if isinstance(secrets, str) else list(secrets) if isinstance(secrets, Sequence) else []
    if not texts:
        raise SecretError("secret_missing", "no secret given; nothing could ever be verified")
    return texts


def _raw(body: object) -> bytes:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise VerificationError(
        "body_invalid",
        f"the body must be the raw bytes as received, not {type(body).__name__}; do not parse and serialise it first",
    )


def _id(text: str) -> str:
    if not WEBHOOK_ID.fullmatch(text):
        raise VerificationError("id_invalid", "webhook-id is not 1-256 visible ASCII characters")
    return text


def _attempt(fields: Headers) -> int | None:
    text = fields.get("webhook-attempt")
    return int(text) if text and _ATTEMPT.fullmatch(text) else None


def _signatures(header: str) -> list[tuple[str, bytes]]:
    if not header or len(header) > _MAXIMUM_HEADER_LENGTH or not header.isascii():
        raise VerificationError("signature_invalid", "webhook-signature is not 1-4096 ASCII characters")
    elements = header.split(" ")
    if len(elements) > MAXIMUM_SIGNATURES:
        raise VerificationError("signature_invalid", f"more than {MAXIMUM_SIGNATURES} signatures")
    return [decoded for element in elements if (decoded := _decode(element))]


def _decode(element: str) -> tuple[str, bytes] | None:
    version, _, encoded = element.partition(",")
    shape = _SHAPES.get(version)
    if shape is None or len(encoded) != shape[0]:
        return None
    try:
        signature = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    return (version, signature) if len(signature) == shape[1] else None


def _check_for(text: str) -> tuple[str, _Check]:
    secret = parse(text)
    if isinstance(secret, SymmetricSecret):
        return "v1", _hmac_check(secret.key)
    if isinstance(secret, PublicKey):
        return "v1a", _ed25519_check(secret.key)
    raise SecretError("secret_prefix", "whsk_ is the sender's private key; a receiver is given whpk_")


def _hmac_check(key: bytes) -> _Check:
    copy_state = hmac.new(key, digestmod="sha256").copy

    def check(prefix: bytes, body: bytes, presented: list[bytes]) -> bool:
        state = copy_state()
        state.update(prefix)
        state.update(body)
        expected = state.digest()
        return any(hmac.compare_digest(expected, signature) for signature in presented)

    return check


def _ed25519_check(key: bytes) -> _Check:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(key)

    def check(prefix: bytes, body: bytes, presented: list[bytes]) -> bool:
        content = prefix + body
        for signature in presented:
            try:
                public.verify(signature, content)
            except InvalidSignature:
                continue
            return True
        return False

    return check
