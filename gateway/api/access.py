"""Which objects a key may see and change, in one place for all resources.

A key bound to a subscriber sees that one's objects; any other is missing for it, in the same words as one that does
not exist. What gets every customer's events (internal subscribers and their endpoints) is changed with `admin` only.
"""

from gateway import problems
from gateway.api import auth
from gateway.api.call import Call
from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Kind, Subscriber


async def subscriber(call: Call, subscriber_id: str) -> Subscriber:
    """A subscriber that the caller may see; raises Problem `not_found`."""
    found = await call.services.registry.get_subscriber(subscriber_id) if call.sees(subscriber_id) else None
    return found or problems.not_found("subscriber", subscriber_id)


async def endpoint(call: Call, endpoint_id: str) -> Endpoint:
    """An endpoint that the caller may see; raises Problem `not_found`."""
    found = await call.services.registry.get_endpoint(endpoint_id)
    if found is None or not call.sees(found.subscriber):
        problems.not_found("endpoint", endpoint_id)
    return found


def require_change(call: Call, kind: Kind) -> None:
    """Raise Problem `forbidden` unless the caller may change objects of this kind of subscriber."""
    if kind == "internal":
        auth.require_scope(call.key, "admin")
