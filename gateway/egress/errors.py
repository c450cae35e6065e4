"""What egress refuses, with codes that callers and tests may rely on."""


class EgressError(Exception):
    """Root of the package: `code` is stable, `reason` names the value and the way out."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class UrlRefused(EgressError):
    """The text of an endpoint's URL is not acceptable; codes `url_*`, one per part of a URL."""


class AddressBlocked(EgressError):
    """An address, literal or resolved, is not a permitted target; code `address_blocked`."""

    def __init__(self, reason: str) -> None:
        super().__init__("address_blocked", reason)


class NameNotResolved(EgressError):
    """The resolver gave no address; code `dns`. May pass: at registration it is no ground to refuse."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__("dns", f"{name} does not resolve: {detail}")


class AllowEntryInvalid(EgressError):
    """An entry of HOOKLINE_EGRESS_ALLOW is not a network; code `egress_allow`."""

    def __init__(self, entry: str, detail: str) -> None:
        super().__init__(
            "egress_allow",
            f"HOOKLINE_EGRESS_ALLOW: {entry!r} is not a network in CIDR form ({detail}); write 10.0.0.0/8",
        )


class ProxyInvalid(EgressError, ValueError):
    """HOOKLINE_EGRESS_PROXY is not the URL of a proxy; code `egress_proxy`. Never repeats it, which may be secret."""

    def __init__(self, reason: str) -> None:
        super().__init__("egress_proxy", reason)
