import base64
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import Settings
from gateway.store import vault
from gateway.store.vault import Place, Vault, VaultError

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
PLACE = Place("ep_1", "sec_1")
SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def text_of(key_id: str, key: bytes) -> str:
    return f"{key_id}:{base64.b64encode(key).decode()}"


@given(st.binary(max_size=200))
def test_what_is_sealed_opens(plaintext: bytes) -> None:
    box = Vault({"k1": KEY})
    sealed = box.seal(plaintext, PLACE)
    assert box.open(sealed, PLACE) == plaintext
    assert box.seal(plaintext, PLACE) != sealed


def test_the_sealed_bytes_show_nothing_but_the_key_id() -> None:
    sealed = Vault({"k1": KEY}).seal(SECRET, PLACE)
    assert SECRET not in sealed
    assert sealed[:4] == b"\x01\x02k1"


@pytest.mark.parametrize("place", [Place("ep_2", "sec_1"), Place("ep_1", "sec_2"), Place("ep_1s", "ec_1")])
def test_a_secret_does_not_open_in_another_place(place: Place) -> None:
    box = Vault({"k1": KEY})
    with pytest.raises(VaultError, match="does not open"):
        box.open(box.seal(SECRET, PLACE), place)


def test_no_changed_byte_and_no_cut_goes_unnoticed() -> None:
    box = Vault({"k1": KEY})
    sealed = box.seal(SECRET, PLACE)
    for position in range(len(sealed)):
        changed = sealed[:position] + bytes((sealed[position] ^ 1,)) + sealed[position + 1 :]
        with pytest.raises(VaultError):
            box.open(changed, PLACE)
        with pytest.raises(VaultError):
            box.open(sealed[:position], PLACE)
    with pytest.raises(VaultError):
        box.open(sealed + b"\0", PLACE)


@given(st.binary(max_size=120))
def test_other_bytes_are_refused_and_raise_nothing_else(noise: bytes) -> None:
    with pytest.raises(VaultError):
        Vault({"k1": KEY}).open(noise, PLACE)


def test_another_key_under_the_same_id_does_not_open() -> None:
    with pytest.raises(VaultError, match="does not open"):
        Vault({"k1": OTHER}).open(Vault({"k1": KEY}).seal(SECRET, PLACE), PLACE)


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(VaultError, match="'k1', which is not among k2"):
        Vault({"k2": KEY}).open(Vault({"k1": KEY}).seal(SECRET, PLACE), PLACE)


def test_rotation_opens_the_old_seals_the_new_and_rewraps() -> None:
    old, both, new = Vault({"k1": KEY}), Vault({"k2": OTHER, "k1": KEY}), Vault({"k2": OTHER})
    sealed = old.seal(SECRET, PLACE)
    assert both.open(sealed, PLACE) == SECRET
    assert both.needs_rewrap(sealed)
    assert not both.needs_rewrap(both.seal(SECRET, PLACE))
    rewrapped = both.rewrap(sealed, PLACE)
    assert not both.needs_rewrap(rewrapped)
    assert new.open(rewrapped, PLACE) == SECRET
    with pytest.raises(VaultError):
        both.rewrap(sealed, Place("ep_2", "sec_1"))


def test_keys_are_read_in_order() -> None:
    assert list(vault.parse_keys(f"{text_of('new', OTHER)}, {text_of('old', KEY)}").items()) == [
        ("new", OTHER),
        ("old", KEY),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k1",
        "k1:",
        ":" + base64.b64encode(KEY).decode(),
        text_of("k1", KEY[:31]),
        text_of("k1", KEY + b"\0"),
        text_of("k1", KEY) + "!",
        text_of("a b", KEY),
        text_of("k1", KEY) + ",",
        f"{text_of('k1', KEY)},{text_of('k1', OTHER)}",
        "k1:é",
    ],
)
def test_an_unreadable_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(VaultError) as caught:
        vault.parse_keys(text)
    assert "HOOKLINE_ENCRYPTION_KEYS is not <id>:<base64 of 32 bytes>" in str(caught.value)
    assert base64.b64encode(KEY).decode() not in str(caught.value)


def test_keys_from_the_settings_are_used_by_every_store(tmp_path: Path) -> None:
    for settings in (
        Settings(encryption_keys=text_of("k1", KEY)),
        Settings(encryption_keys=text_of("k1", KEY), redis_url="redis://r"),
    ):
        assert Vault.from_settings(settings, tmp_path).current == "k1"
    assert list(tmp_path.iterdir()) == []


def test_an_external_store_does_not_start_without_a_key_and_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(VaultError) as caught:
        Vault.from_settings(Settings(redis_url="redis://r"), tmp_path)
    assert vault.MAKE_KEY in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_that_makes_a_key_works_as_printed() -> None:
    printed = f'{vault.MAKE_KEY}; printf %s "$HOOKLINE_ENCRYPTION_KEYS"'
    made = subprocess.run(["sh", "-c", printed], capture_output=True, text=True, check=True)
    assert list(vault.parse_keys(made.stdout)) == ["k1"]


def test_the_embedded_store_makes_a_key_once_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    sealed = Vault.from_settings(Settings(), data).seal(SECRET, PLACE)
    path = data / "encryption-keys"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in data.iterdir()] == ["encryption-keys"]
    assert Vault.from_settings(Settings(), data).open(sealed, PLACE) == SECRET


def test_processes_that_make_the_key_at_once_agree_on_one(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    made: list[Vault] = []

    def start() -> None:
        together.wait()
        made.append(Vault.from_settings(Settings(), tmp_path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = made[0].seal(SECRET, PLACE)
    assert [box.open(sealed, PLACE) for box in made] == [SECRET] * 8
    assert [file.name for file in tmp_path.iterdir()] == ["encryption-keys"]


def test_a_key_file_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    Vault.from_settings(Settings(), tmp_path)
    path = tmp_path / "encryption-keys"
    path.chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        Vault.from_settings(Settings(), tmp_path)


def test_a_broken_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "encryption-keys"
    path.touch(0o600)
    with pytest.raises(VaultError, match=r"key 1 of .*/encryption-keys is not"):
        Vault.from_settings(Settings(), tmp_path)
