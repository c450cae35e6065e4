"""`python -m tests.support.slow_names`: a dispatcher as it is, on a machine whose resolver is slow for some names.

Names under `slow.test` resolve to loopback after ten seconds, those under `lost.test` fail after as long.
"""

import socket
import sys
import threading
from typing import Any
from unittest import mock

SLOW_NAME = "receiver.slow.test"
SLOW_SECONDS = 10.0
_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    """The system's, but for those names."""
    name = str(host)
    if name.endswith((".slow.test", ".lost.test")):
        threading.Event().wait(SLOW_SECONDS)
        if name.endswith(".lost.test"):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        host = "127.0.0.1"
    return _getaddrinfo(host, *arguments, **options)


def main() -> int:
    """Run the dispatcher's own main."""
    from dispatcher.__main__ import main as dispatch  # the names alone need no dispatcher

    with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
        return dispatch()


if __name__ == "__main__":
    sys.exit(main())
