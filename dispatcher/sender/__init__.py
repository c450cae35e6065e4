"""The HTTP/1.1 client of the dispatcher: one call, one request, one result.

A general client costs several times the whole rest of a delivery (its pool scans all of its
connections per request), hides second attempts, and reads whatever a hostile receiver sends. This one does
less:

    Sender.send -> Pool.take -> Connection.start -> wire -> Response -> done(Answered | Failed)
                   (none idle) Opening: egress.vet -> connect -> TLS -> Connection.start
                                        with an egress proxy: connect to it -> CONNECT -> TLS

Invariants:
- an attempt is exactly one HTTP request: nothing is sent again, not even on a kept-alive connection that
  the receiver closed at that very moment (`reset`); such connections are recognised before they are used,
  as far as that can be;
- `done` is called exactly once per `send`, at the latest one tick after the deadline; the one deadline
  covers name resolution, connect, TLS, request, head and body. A success whose body never ends is a
  `deadline`: a receiver that cannot finish its answer has not said that it is done;
- a connection goes to an address that `gateway.egress` vetted for this very connect, with Host and SNI of
  the name, and is used for destinations of the same kind, scheme, host and port only. With an egress proxy
  that address is what CONNECT names (the name itself where the checks are the proxy's), for http and https
  alike; a sender has one way out for good, so no connection is used for another one;
- memory per attempt is bounded whatever the receiver does: the head is capped, of the body a short
  beginning is kept, a little more is read to keep the connection, then the answer is given and the
  connection closed;
- bytes that no request asked for close the connection, so that no answer can be planted for the next request.

It follows no redirect, decodes no content coding, reads no proxy of the environment, keeps no cookies, speaks no
HTTP/2, and limits neither rate nor number of requests per destination: the caller does.
"""

from dispatcher.sender.destination import Destination
from dispatcher.sender.limits import Limits
from dispatcher.sender.result import Answered, AttemptError, Failed, Result
from dispatcher.sender.sender import Sender, SenderClosedError

__all__ = [
    "Answered",
    "AttemptError",
    "Destination",
    "Failed",
    "Limits",
    "Result",
    "Sender",
    "SenderClosedError",
]
