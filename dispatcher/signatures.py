"""The `webhook-signature` of an endpoint: one signature for each live secret of the versions that it signs with.

Newest first, `v1` before `v1a`, joined by spaces. Which secrets are live is decided for each attempt by the wall time
of its start, so that an old one ends without anything being written or read.
"""

from collections.abc import Callable, Mapping

from gateway.model import secret
from gateway.model.endpoint import Endpoint
from receivers.errors import SecretError
from receivers.signing import Signer

Sign = Callable[[bytes, bytes, int], bytes]
"""`sign(prefix, body, now_ms)`: the value of `webhook-signature`; prefix is `id.seconds.`, `now_ms` wall time."""


def signing(endpoint: Endpoint, texts: Mapping[str, str]) -> Sign:
    """Make an endpoint's secrets ready; `texts` are theirs by id.

    Raises SecretError for a text that cannot sign, and when a version that it signs with has no secret.
    """
    signers = []
    for version in endpoint.signatures:
        found = secret.of_kind(endpoint.secrets, version)
        if not found:
            raise SecretError("secret_missing", f"endpoint {endpoint.id} has no secret for {version} signatures")
        signers += [(Signer(texts[one.id]).signature, one.expires_ms) for one in found]
    return _one(signers[0][0]) if len(signers) == 1 else _several(signers)


def _one(signature: Callable[[bytes, bytes], bytes]) -> Sign:
    return lambda prefix, body, _now_ms: signature(prefix, body)


def _several(signers: list[tuple[Callable[[bytes, bytes], bytes], int | None]]) -> Sign:
    def sign(prefix: bytes, body: bytes, now_ms: int) -> bytes:
        return b" ".join(
            signature(prefix, body) for signature, expires_ms in signers if expires_ms is None or now_ms < expires_ms
        )

    return sign
