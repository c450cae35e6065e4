"""What goes wrong on the receiving side: one root, each error with a stable code.

Codes are for programs and never change; messages are for people. No message repeats a secret or a signature.

`VerificationError.code` is one of

| code | meaning |
|---|---|
| `header_missing` | no `webhook-id`, `webhook-timestamp` or `webhook-signature` |
| `header_repeated` | one of these three came more than once |
| `header_invalid` | headers that are not pairs of text |
| `id_invalid` | `webhook-id` is not 1-256 visible ASCII characters |
| `timestamp_invalid` | `webhook-timestamp` is not 1-12 ASCII digits |
| `timestamp_too_old`, `timestamp_too_new` | outside the tolerance |
| `signature_invalid` | the signature header is empty, not ASCII, too long, or holds more than 16 signatures |
| `signature_mismatch` | no signature of a known version fits any of the secrets |
| `secret_invalid` | the receiver's own secret cannot be used |
| `body_invalid` | the body handed in is not the raw bytes |
| `payload_invalid` | the signature is good, but the body is not an event |
"""


class ReceiverError(Exception):
    """Root of the package. `code` is stable; `str(error)` names the thing and the way out."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class VerificationError(ReceiverError):
    """A request is not proven to come from the holder of the secret: the only error that `verify` raises."""


class SecretError(ReceiverError, ValueError):
    """A text is not a usable `whsec_`, `whsk_` or `whpk_` secret; the text itself is never repeated."""


class SigningError(ReceiverError, ValueError):
    """An id, timestamp or body cannot be signed."""


class PatternError(ReceiverError, ValueError):
    """A text is not an event type, or not an event-type pattern."""


class InboxError(ReceiverError):
    """The inbox cannot answer (`inbox_unavailable`, `inbox_full`) or is set up wrongly (`inbox_settings`)."""
