"""Secrets: what is read, what is refused, and that none is ever repeated."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receivers import secrets
from receivers.errors import SecretError

# the example key pair of the asymmetric scheme, as other implementations test it
PRIVATE_64 = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="


def encoded(prefix: str, size: int) -> str:
    return prefix + base64.b64encode(bytes(number % 256 for number in range(size))).decode()


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_symmetric_secret_has_24_to_64_bytes(size: int) -> None:
    assert secrets.parse(encoded("whsec_", size)) == secrets.SymmetricSecret(bytes(range(size)))


@pytest.mark.parametrize("size", [0, 1, 23, 65, 1000])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(SecretError, match=f"24 to 64 bytes, this one has {size}") as raised:
        secrets.parse(encoded("whsec_", size))
    assert raised.value.code == "secret_length"


def test_a_private_key_is_a_seed_or_seed_and_public_key() -> None:
    both = secrets.parse(PRIVATE_64)
    seed = base64.b64decode(PRIVATE_64.removeprefix("whsk_"))[:32]
    assert both == secrets.PrivateKey(seed)
    assert secrets.parse("whsk_" + base64.b64encode(seed).decode()) == both
    assert secrets.public_key_of(PRIVATE_64) == PUBLIC


def test_halves_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(SecretError, match="belong together") as raised:
        secrets.parse(encoded("whsk_", 64))
    assert raised.value.code == "secret_key"


@pytest.mark.parametrize(("prefix", "size"), [("whsk_", 31), ("whsk_", 33), ("whpk_", 31), ("whpk_", 64)])
def test_keys_of_another_size_are_refused(prefix: str, size: int) -> None:
    with pytest.raises(SecretError, match=f"this one has {size}"):
        secrets.parse(encoded(prefix, size))


GOOD = encoded("whsec_", 32)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "secret_prefix", "whsec_"),
        (GOOD.removeprefix("whsec_"), "secret_prefix", "whsec_"),
        (" " + GOOD, "secret_prefix", "white space"),
        ("WHSEC_" + GOOD[6:], "secret_prefix", "whsec_"),
        (GOOD + "\n", "secret_encoding", "white space"),
        (GOOD.rstrip("="), "secret_encoding", "padding"),
        (GOOD[:-5] + "-_==", "secret_encoding", "URL-safe"),
        (GOOD[:10] + "!" + GOOD[11:], "secret_encoding", "not base64"),
        (GOOD + GOOD[6:], "secret_encoding", "not base64"),
        (GOOD[:10] + "é" + GOOD[11:], "secret_encoding", "not base64"),
    ],
)
def test_the_error_says_what_is_wrong_and_not_the_secret(text: str, code: str, said: str) -> None:
    with pytest.raises(SecretError, match=said) as raised:
        secrets.parse(text)
    assert raised.value.code == code
    assert GOOD[12:30] not in str(raised.value)


@pytest.mark.parametrize("value", [None, 5, b"whsec_", ["whsec_"]])
def test_only_text_is_a_secret(value: object) -> None:
    with pytest.raises(SecretError, match="is text"):
        secrets.parse(value)  # type: ignore[arg-type]  # what callers without a type checker do


@given(st.text(max_size=120), st.sampled_from(["", "whsec_", "whsk_", "whpk_"]))
def test_any_text_is_a_secret_or_a_secret_error(text: str, prefix: str) -> None:
    try:
        secrets.parse(prefix + text)
    except SecretError as error:
        assert error.code.startswith("secret_")  # noqa: PT017 - either way is right


def test_generated_secrets_are_usable_and_differ() -> None:
    assert isinstance(secrets.parse(secrets.generate_secret()), secrets.SymmetricSecret)
    assert secrets.generate_secret() != secrets.generate_secret()
    private = secrets.generate_private_key()
    assert isinstance(secrets.parse(private), secrets.PrivateKey)
    assert isinstance(secrets.parse(secrets.public_key_of(private)), secrets.PublicKey)


def test_only_a_private_key_has_a_public_key() -> None:
    with pytest.raises(SecretError, match="whsk_"):
        secrets.public_key_of(GOOD)


def test_printing_a_secret_does_not_show_it() -> None:
    assert "key" not in repr(secrets.parse(GOOD))
    assert "seed" not in repr(secrets.parse(PRIVATE_64))
