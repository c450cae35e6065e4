"""The secrets of an endpoint: which of them are live, and what a rotation makes of them.

    made: live for good --rotated with an overlap--> live until `expires_ms`, signs second --> expired
                        --rotated at once---------------------------------------------------> gone

Invariants: secrets of one kind stand newest first, and the newest of a kind has no expiry; at most `MAX_LIVE` of a
kind are live. Whether one has expired is a matter of the time of signing: nothing has to be written for it to end.
"""

from typing import Literal

import msgspec

SecretKind = Literal["v1", "v1a", "profile"]
SignatureVersion = Literal["v1", "v1a"]
MAX_LIVE = 3


class TooManySecrets(ValueError):
    """A rotation would leave more than `MAX_LIVE` live secrets of a kind."""

    code = "too_many_secrets"


class EndpointSecret(msgspec.Struct, frozen=True):
    """One secret of an endpoint; `sealed` opens with the endpoint's id and this `id` only.

    `kind` `v1` is a `whsec_` text, `v1a` a `whsk_` text with its `public_key` (`whpk_`), `profile` the text that the
    signature profile uses in place of the `v1` secrets. `expires_ms` is wall time, exclusive; None: it does not end.
    """

    id: str
    kind: SecretKind
    sealed: bytes
    created_ms: int = 0
    expires_ms: int | None = None
    public_key: str = ""

    def is_live(self, now_ms: int) -> bool:
        """Whether it signs at this wall time."""
        return self.expires_ms is None or now_ms < self.expires_ms


Secrets = tuple[EndpointSecret, ...]


def of_kind(secrets: Secrets, kind: SecretKind) -> Secrets:
    """Those of a kind, newest first, expired or not."""
    return tuple(secret for secret in secrets if secret.kind == kind)


def live(secrets: Secrets, now_ms: int) -> Secrets:
    """Those that sign at this wall time; what is left out may be forgotten."""
    return tuple(secret for secret in secrets if secret.is_live(now_ms))


def rotated(secrets: Secrets, new: EndpointSecret, overlap_ms: int, now_ms: int) -> Secrets:
    """The secrets with `new` in front of those of its kind, which end in `overlap_ms`, or at once for 0.

    An older one that ends already keeps the time that was stated for it, unless everything ends at once. Raises
    TooManySecrets.
    """
    others = tuple(secret for secret in secrets if secret.kind != new.kind)
    if not overlap_ms:
        return (new, *others)
    before = tuple(
        secret if secret.expires_ms is not None else msgspec.structs.replace(secret, expires_ms=now_ms + overlap_ms)
        for secret in live(of_kind(secrets, new.kind), now_ms)
    )
    if len(before) >= MAX_LIVE:
        ends = min(secret.expires_ms or 0 for secret in before)
        raise TooManySecrets(f"{len(before)} secrets of kind {new.kind} are live, the first ends at {ends} ms")
    return (new, *before, *others)


def newest_public_key(secrets: Secrets) -> str | None:
    """The newest `whpk_` key, None without one."""
    return next((secret.public_key for secret in secrets if secret.kind == "v1a"), None)
