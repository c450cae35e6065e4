"""TLS as a client of servers that anyone may have registered."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Verification of chain and host name, TLS 1.2 or later, HTTP/1.1.

    `ca_file` (HOOKLINE_CA_FILE, PEM) is trusted in addition to the system's authorities: internal
    subscribers may have a private one while external ones have public ones. Raises OSError or ssl.SSLError
    if it cannot be read.
    """
    # Not create_default_context: that one writes session keys to a file which the environment names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def describe(error: ssl.SSLError) -> str:
    """One line for a person, without OpenSSL's file and line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    # Errors that the event loop makes itself have no reason.
    return f"TLS failed: {getattr(error, 'reason', None) or error.args[-1]}"
