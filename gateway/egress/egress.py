"""The questions the rest of the system asks of this package."""

import ipaddress
from collections.abc import Sequence

from gateway.clock import Clock, SystemClock
from gateway.egress import addresses, urls
from gateway.egress.errors import AddressBlocked
from gateway.egress.proxies import Checks, Proxy, described
from gateway.egress.resolver import Lookup, Resolver, ResolverLimits, system_lookup
from gateway.egress.urls import EndpointUrl, Kind


class Egress:
    """The rules of one process, with its resolver; `allow` is HOOKLINE_EGRESS_ALLOW as a list of CIDRs.

    `proxy` is what every connection goes through, `checks` says who judges the addresses that it connects to.
    Raises AllowEntryInvalid if `allow` holds anything but networks.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        clock: Clock | None = None,
        lookup: Lookup = system_lookup,
        resolver_limits: ResolverLimits | None = None,
        *,
        proxy: Proxy | None = None,
        checks: Checks = "ours",
    ) -> None:
        self.proxy = proxy
        self.checks: Checks = checks if proxy else "ours"
        self._allow = addresses.parse_allow(allow)
        self._resolver = Resolver(clock or SystemClock(), lookup, resolver_limits)

    def check_url(self, text: str, kind: Kind) -> EndpointUrl:
        """Take a URL apart at registration, without I/O; raises UrlRefused, AddressBlocked for a literal."""
        url = urls.parse(text, kind)
        if url.address is not None:
            self._check(url.address, kind)
        return url

    async def vet(self, url: EndpointUrl, kind: Kind) -> list[str]:
        """The addresses of a URL's host to connect to, in order; to be asked before every connect.

        Where the checks are the proxy's it is the name itself, which the proxy resolves and vets.
        Raises AddressBlocked if any of them is bad, not only if all are: a name that resolves to a public
        and a private address is an attack or a mistake. Raises NameNotResolved if there is none. Has no
        time limit.
        """
        if url.address is not None:
            self._check(url.address, kind)
            return [url.address]
        if self.checks == "proxy":
            return [url.host]
        found = await self._resolver.resolve(url.host)
        try:
            for address in found:
                self._check(address, kind)
        except AddressBlocked as blocked:
            raise AddressBlocked(f"{url.host} resolves to {blocked.reason}") from blocked
        return found

    async def proxy_addresses(self, proxy: Proxy) -> list[str]:
        """The addresses of the proxy, unvetted: the operator chose it. Raises NameNotResolved."""
        try:
            return [str(ipaddress.ip_address(proxy.host))]
        except ValueError:
            return await self._resolver.resolve(proxy.host)

    def described(self) -> str:
        """One sentence on who decides which addresses are reached."""
        return described(self.proxy, self.checks)

    def close(self) -> None:
        """End the resolver's threads."""
        self._resolver.close()

    def _check(self, address: str, kind: Kind) -> None:
        addresses.check(address, self._allow if kind == "internal" else ())
