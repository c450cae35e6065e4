"""Where Hookline may connect to: the only implementation of the rules against SSRF.

Anyone who registers an endpoint makes this system send requests from inside its network. So a URL passes two
gates:

    text -> urls.parse -> addresses.check (literals)            at registration
    host -> resolver -> addresses.check (every address) -> IPs  at registration and again at every connect

Invariants:
- the caller connects to an address that `Egress.vet` returned for this very connect, never to the name:
  what was vetted is what is used, so a name that changes its address between two lookups (DNS rebinding)
  gains nothing;
- one bad address among the resolved ones refuses the name;
- `kind: external` may reach public addresses over https only. `kind: internal` may use http, local names,
  and private ranges that the operator lists in HOOKLINE_EGRESS_ALLOW. Addresses that hide another one
  (IPv4-mapped, NAT64, 6to4, Teredo) are never accepted, and a cloud's metadata address only if it is listed
  by itself;
- slow names do not stall others: each lookup has a thread of its own, and of their bounded number the names
  known as slow may have half, with the unknown ones three quarters;
- with HOOKLINE_EGRESS_PROXY everything goes through that proxy's CONNECT. The address checks stay ours, and
  the proxy is asked for a vetted address, unless HOOKLINE_EGRESS_PROXY_CHECKS=proxy declares them the
  proxy's: then only URLs, ports and literal addresses are judged here, at registration and at connect alike.

It refuses to normalise: a URL has one accepted spelling. It follows no redirect, reads no proxy of the
environment, and sends nothing.
"""

from gateway.egress.egress import Egress
from gateway.egress.errors import (
    AddressBlocked,
    AllowEntryInvalid,
    EgressError,
    NameNotResolved,
    ProxyInvalid,
    UrlRefused,
)
from gateway.egress.proxies import Checks, Proxy
from gateway.egress.resolver import ResolverLimits, system_lookup
from gateway.egress.urls import EndpointUrl, Kind

__all__ = [
    "AddressBlocked",
    "AllowEntryInvalid",
    "Checks",
    "Egress",
    "EgressError",
    "EndpointUrl",
    "Kind",
    "NameNotResolved",
    "Proxy",
    "ProxyInvalid",
    "ResolverLimits",
    "UrlRefused",
    "system_lookup",
]
