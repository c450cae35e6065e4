"""A certificate authority of the test run: certificates for any name, good ones and bad ones."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _subject(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class Authority:
    """`ca_file` is what a client must trust; `context(host)` is what a server of this host uses."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca_file = directory / "ca.pem"
        certificate = self._sign(_name("Test authority"), self._key, None, dt.timedelta())
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(
        self,
        host: str,
        *,
        age: dt.timedelta = dt.timedelta(),
        newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ) -> ssl.SSLContext:
        """A server's context; its certificate was made `age` ago and is good for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(host), key, host, age)
        file = self._directory / f"{host}-{age.days}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.maximum_version = newest
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, host: str | None, age: dt.timedelta
    ) -> x509.Certificate:
        made = dt.datetime.now(dt.UTC) - age - dt.timedelta(hours=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("Test authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(made)
            .not_valid_after(made + _DAY)
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_subject(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())
