import ssl
from pathlib import Path

import pytest

from dispatcher.sender import tls


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
