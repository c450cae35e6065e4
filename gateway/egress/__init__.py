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
- slow names do not stall quick ones: lookups of names not yet known as quick occupy at most half of the
  threads.

It refuses to normalise: a URL has one accepted spelling. It follows no redirect, reads no proxy setting,
and sends nothing.
"""

from gateway.egress.egress import Egress
from gateway.egress.errors import AddressBlocked, AllowEntryInvalid, EgressError, NameNotResolved, UrlRefused
from gateway.egress.resolver import ResolverLimits, system_lookup
from gateway.egress.urls import EndpointUrl, Kind

__all__ = [
    "AddressBlocked",
    "AllowEntryInvalid",
    "Egress",
    "EgressError",
    "EndpointUrl",
    "Kind",
    "NameNotResolved",
    "ResolverLimits",
    "UrlRefused",
    "system_lookup",
]
