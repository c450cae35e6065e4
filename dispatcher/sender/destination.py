"""Where a request goes: made once per endpoint, used for each of its attempts."""

from gateway.egress import EndpointUrl, Kind


class Destination:
    """A URL's server with the rules it is reached under; connections are shared by equal `key`s.

    The kind is part of the key: a connection that the rules for internal subscribers opened must never
    carry an external subscriber's request.
    """

    __slots__ = ("key", "kind", "url")

    def __init__(self, url: EndpointUrl, kind: Kind) -> None:
        self.url = url
        self.kind: Kind = kind
        self.key = f"{kind} {url.scheme}://{url.host}:{url.port}"
