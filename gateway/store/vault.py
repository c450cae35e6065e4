"""Secrets at rest: envelope encryption, AES-256-GCM twice.

    secret   --data key, random per secret-->           ciphertext
    data key --key-encryption key, named by its id-->   wrapped key

Both layers authenticate the endpoint's id and the secret's id as associated data, so a sealed secret that is copied to
another endpoint, or into another place of the same one, does not open. Rotation: give every process the new key after
the old one in HOOKLINE_ENCRYPTION_KEYS, then before it, so that no process meets a secret that it cannot open; `rewrap`
changes the wrapping only, and once nothing `needs_rewrap` the old key can go.

A sealed secret: version (1 byte, 1), length of the key id (1), key id, nonce (12), wrapped key (48), nonce (12),
ciphertext, tag (16).

It refuses to start without a key, except with the embedded store, for which it makes one in the data folder, readable
by its owner only. It refuses to say of a secret that does not open what was wrong with it.
"""

import base64
import binascii
import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.settings import Settings
from gateway.store import errors

KEY_FILE = "encryption-keys"
MAKE_KEY = (
    """export HOOKLINE_ENCRYPTION_KEYS="k1:$(python3 -c """
    """'import base64, os; print(base64.b64encode(os.urandom(32)).decode())')\""""
)
_VERSION = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12
_WRAPPED_BYTES = _KEY_BYTES + 16
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class VaultError(errors.StoreError):
    """A key is missing or unreadable, or a sealed secret does not open."""

    code = "vault"


class Place(NamedTuple):
    """Where a secret belongs: the endpoint's id, and the id of the secret."""

    endpoint: str
    secret: str


class _Sealed:
    """The parts of a sealed secret. Raises ValueError for what cannot be one."""

    def __init__(self, sealed: bytes) -> None:
        if len(sealed) < 2 or sealed[0] != _VERSION:
            raise ValueError("unknown version")
        key_end = 2 + sealed[1]
        nonce_end = key_end + _NONCE_BYTES
        wrapped_end = nonce_end + _WRAPPED_BYTES
        self.key_id = sealed[2:key_end].decode("ascii")
        self.wrap_nonce = sealed[key_end:nonce_end]
        self.wrapped = sealed[nonce_end:wrapped_end]
        self.content = sealed[wrapped_end:]
        if len(self.content) < _NONCE_BYTES + 16:
            raise ValueError("too short")


def parse_keys(text: str, origin: str = "HOOKLINE_ENCRYPTION_KEYS") -> dict[str, bytes]:
    """Key-encryption keys by id, the current one first, from `id:base64[,id2:base64...]`.

    Raises VaultError, which names the origin of the text and the place in it, never the text.
    """
    keys: dict[str, bytes] = {}
    for position, part in enumerate(text.strip().split(","), start=1):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if _KEY_ID.fullmatch(key_id) is None or len(key) != _KEY_BYTES or key_id in keys:
            raise VaultError(
                f"key {position} of {origin} is not <id>:<base64 of 32 bytes> with an id of its own; "
                f"make one with: {MAKE_KEY}"
            )
        keys[key_id] = key
    return keys


def _associated(layer: bytes, place: Place) -> bytes:
    # length-prefixed, so that no two places share their bytes
    parts = (layer, *(name.encode() for name in place))
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


class Vault:
    """Seals and opens secrets; `keys` by id, the first one is used for new secrets."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.current = next(iter(keys))

    @classmethod
    def from_settings(cls, settings: Settings, data: Path) -> "Vault":
        """The vault of this deployment: keys from the settings, else, with the embedded store, from `data`.

        Raises VaultError with the way out; makes the key file of the embedded store when it is missing.
        """
        if settings.encryption_keys is not None:
            return cls(parse_keys(settings.encryption_keys))
        if settings.embedded:
            path = data / KEY_FILE
            return cls(parse_keys(_key_file(path), str(path)))
        raise VaultError(
            "signing secrets are encrypted at rest, and HOOKLINE_ENCRYPTION_KEYS is not set; make a key, once, keep "
            f"it with the backup and give it to every process: {MAKE_KEY}"
        )

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        """Encrypt under a data key of its own; it opens with the same place only."""
        data_key, nonce = secrets.token_bytes(_KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
        ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, _associated(b"secret", place))
        return self._head(data_key, place) + nonce + ciphertext

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The plaintext. Raises VaultError for another place, a changed byte or an unknown key."""
        parts = self._parts(sealed)
        data_key = self._unwrap(parts, place)
        nonce, ciphertext = parts.content[:_NONCE_BYTES], parts.content[_NONCE_BYTES:]
        try:
            return AESGCM(data_key).decrypt(nonce, ciphertext, _associated(b"secret", place))
        except InvalidTag:
            raise _does_not_open() from None

    def needs_rewrap(self, sealed: bytes) -> bool:
        """Whether it is wrapped by another key than the current one. Raises VaultError for what is not sealed."""
        return self._parts(sealed).key_id != self.current

    def rewrap(self, sealed: bytes, place: Place) -> bytes:
        """The same secret, wrapped by the current key. Raises VaultError for another place or an unknown key."""
        parts = self._parts(sealed)
        return self._head(self._unwrap(parts, place), place) + parts.content

    def _head(self, data_key: bytes, place: Place) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        wrapped = self._keys[self.current].encrypt(nonce, data_key, _associated(b"key", place))
        key_id = self.current.encode()
        return bytes((_VERSION, len(key_id))) + key_id + nonce + wrapped

    def _unwrap(self, parts: _Sealed, place: Place) -> bytes:
        key = self._keys.get(parts.key_id)
        if key is None:
            raise VaultError(
                f"a secret is encrypted with key {parts.key_id!r}, which is not among {', '.join(self._keys)}; add it "
                "to HOOKLINE_ENCRYPTION_KEYS after the current one"
            )
        try:
            return key.decrypt(parts.wrap_nonce, parts.wrapped, _associated(b"key", place))
        except InvalidTag:
            raise _does_not_open() from None

    @staticmethod
    def _parts(sealed: bytes) -> _Sealed:
        try:
            return _Sealed(sealed)
        except ValueError:
            raise _does_not_open() from None


def _does_not_open() -> VaultError:
    return VaultError("a stored secret does not open: it was changed, belongs elsewhere, or its key is another one")


def _key_file(path: Path) -> str:
    """The text of the key file, which is made when it is missing; two processes that make it agree on one."""
    try:
        return _read_key_file(path)
    except FileNotFoundError:
        _make_key_file(path)
    return _read_key_file(path)


def _read_key_file(path: Path) -> str:
    with path.open("r", encoding="ascii", errors="replace") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise VaultError(f"{path} can be read by others; chmod 600 {path}")
        return file.read()


def _make_key_file(path: Path) -> None:
    key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    text = f"embedded-{secrets.token_hex(4)}:{key}\n"
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
