"""`/.well-known/jwks.json` as anybody sees it."""

import base64

from receivers.secrets import PublicKey, parse
from tests.support.api_rig import Rig

PATH = "/.well-known/jwks.json"


async def test_everybody_sees_the_keys_and_not_whose_they_are(rig: Rig) -> None:
    assert (await rig.get(PATH, key="")).json() == {"keys": []}
    await rig.external("acme", "e")
    shown = (await rig.patch("/v1/endpoints/e", {"signatures": ["v1", "v1a"]})).json()
    answer = await rig.get(PATH, key="")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=60"
    (key,) = answer.json()["keys"]
    listed = (await rig.get("/v1/endpoints/e/secret")).json()["secrets"][1]
    expected = parse(shown["public_key"])
    assert isinstance(expected, PublicKey)
    assert base64.urlsafe_b64decode(key.pop("x") + "=") == expected.key
    assert key == {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": listed["id"]}


async def test_during_a_rotation_both_keys_are_there_at_once(rig: Rig) -> None:
    await rig.external("acme", "e")
    await rig.patch("/v1/endpoints/e", {"signatures": ["v1a"]})
    assert len((await rig.get(PATH)).json()["keys"]) == 1
    told = (await rig.post("/v1/endpoints/e/secret/rotate")).json()
    kids = [key["kid"] for key in (await rig.get(PATH)).json()["keys"]]
    assert sorted(kids) == sorted(one["id"] for one in told["secrets"] if one["kind"] == "v1a")
    await rig.post("/v1/endpoints/e/secret/rotate", {"overlap_seconds": 0})
    assert len((await rig.get(PATH)).json()["keys"]) == 1
