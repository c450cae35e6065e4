import contextlib
import ssl
from pathlib import Path

import pytest

from dispatcher.sender import tls
from tests.integration.dispatcher.sender.authority import Authority
from tests.support.clock import HandClock


def test_context_verifies_and_speaks_modern_tls_only() -> None:
    context = tls.client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_session_keys_are_never_written_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert not tls.client_context().keylog_filename


def test_unreadable_ca_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tls.client_context(tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        tls.client_context(tmp_path / "empty.pem")


def test_descriptions_are_one_line() -> None:
    refused = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    refused.verify_message = "certificate has expired"
    assert tls.describe(refused) == "the certificate was not accepted: certificate has expired"
    broken = ssl.SSLError(1, "[SSL] something (_ssl.c:1)")
    assert tls.describe(broken) == "TLS failed: [SSL] something (_ssl.c:1)"
    broken.reason = "WRONG_VERSION_NUMBER"
    assert tls.describe(broken) == "TLS failed: WRONG_VERSION_NUMBER"


class Server:
    """The other end of a handshake, in memory."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def shake_hands(self, client: ssl.SSLContext, host: str = "receiver.example") -> ssl.SSLObject:
        """A client's end after the handshake and the first byte of an answer."""
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server, server_hostname=host)
        theirs = self.context.wrap_bio(to_server, to_client, server_side=True)
        for end in (ours, theirs, ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
        theirs.write(b"x")
        assert ours.read(1) == b"x"
        return ours


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_until_its_time_is_over(authority: Authority, newest: ssl.TLSVersion) -> None:
    clock = HandClock()
    client = tls.client_context(authority.ca_file, clock)
    server = Server(authority.context("receiver.example", newest=newest))
    reused = []
    for wait in (0.0, 1.0, tls.SESSION_SECONDS - 2.0, 2.0, 1.0):
        clock.now += wait
        connection = server.shake_hands(client)
        reused.append(connection.session_reused)
        client.remember(connection)
    assert reused == [False, True, True, False, True]


def test_a_session_is_resumed_with_the_same_name_only(authority: Authority) -> None:
    client = tls.client_context(authority.ca_file, HandClock())
    client.remember(Server(authority.context("receiver.example")).shake_hands(client))
    other = Server(authority.context("other.example")).shake_hands(client, "other.example")
    assert not other.session_reused


def test_a_server_that_has_forgotten_the_session_is_verified_anew(authority: Authority) -> None:
    client = tls.client_context(authority.ca_file, HandClock())
    client.remember(Server(authority.context("receiver.example")).shake_hands(client))
    assert not Server(authority.context("receiver.example")).shake_hands(client).session_reused
    with pytest.raises(ssl.SSLCertVerificationError):
        Server(authority.context("other.example")).shake_hands(client)


def test_sessions_are_bounded(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_SESSIONS", 1)
    client = tls.client_context(authority.ca_file, HandClock())
    one, two = Server(authority.context("one.example")), Server(authority.context("two.example"))
    client.remember(one.shake_hands(client, "one.example"))
    client.remember(two.shake_hands(client, "two.example"))
    assert two.shake_hands(client, "two.example").session_reused
    assert not one.shake_hands(client, "one.example").session_reused
