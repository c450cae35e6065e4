"""A store that comes back as another one is refused; a first start, and what cannot be remembered, is not."""

from pathlib import Path

import pytest

from gateway.store.registry_reads import Meta
from gateway.store.remembered import NAME, StoreReplaced, address_of, require_same

URL = "redis://user:pass%40word@store.example:6379/0"
OLD, NEW = Meta(4, b"o" * 32), Meta(4, b"n" * 32)


def enter(folder: Path, meta: Meta, url: str = URL, *, accept: bool = False) -> None:
    require_same(folder, url, meta, accept_data_loss=accept)


def test_the_same_store_is_taken_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        enter(tmp_path, OLD)


def test_another_one_at_its_address_is_refused_and_stays_refused(tmp_path: Path) -> None:
    enter(tmp_path, OLD)
    for _ in range(2):
        with pytest.raises(StoreReplaced, match=r"redis://store\.example:6379/0 is not the one") as caught:
            enter(tmp_path, NEW)
    assert str(tmp_path / NAME) in str(caught.value)
    enter(tmp_path, OLD)


def test_another_address_is_another_store(tmp_path: Path) -> None:
    enter(tmp_path, OLD)
    enter(tmp_path, NEW, "redis://other.example:6379/0")
    enter(tmp_path, OLD)


def test_whoever_accepts_the_loss_goes_on_with_the_new_one(tmp_path: Path) -> None:
    enter(tmp_path, OLD)
    enter(tmp_path, NEW, accept=True)
    enter(tmp_path, NEW)
    with pytest.raises(StoreReplaced):
        enter(tmp_path, OLD)


def test_nothing_is_made_where_there_is_no_folder(tmp_path: Path) -> None:
    enter(tmp_path / "none", OLD)
    enter(tmp_path / "none", NEW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff"])
def test_a_file_that_says_nothing_is_written_again(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text, "latin-1")
    enter(tmp_path, OLD)
    with pytest.raises(StoreReplaced):
        enter(tmp_path, NEW)


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "stores.new").mkdir()
    enter(tmp_path, OLD)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (URL, "redis://store.example:6379/0"),
        (URL + "?password=word", "redis://store.example:6379/0"),
        ("unix:///tmp/a%20b/valkey.sock", "unix:///tmp/a%20b/valkey.sock"),
    ],
)
def test_no_password_is_written_down(url: str, address: str) -> None:
    assert address_of(url) == address
