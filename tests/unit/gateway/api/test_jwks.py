"""Keys as JWK."""

import base64

import msgspec

from gateway.api.jwks import key_of
from gateway.model.secret import EndpointSecret
from receivers.secrets import public_key_of


def test_a_key_is_what_the_rfc_publishes() -> None:
    """Source: RFC 8037, appendices A.1 and A.2."""
    seed = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    public = public_key_of("whsk_" + base64.b64encode(seed).decode())
    made = key_of(EndpointSecret("sec_1", "v1a", b"", public_key=public))
    assert msgspec.to_builtins(made) == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "sec_1",
        "alg": "EdDSA",
        "use": "sig",
    }
