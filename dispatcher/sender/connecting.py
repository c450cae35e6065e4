"""Connecting to vetted addresses, and to nothing else."""

import asyncio
import socket
from collections.abc import Sequence


async def connect(address: str, port: int, seconds: float) -> socket.socket:
    """A connected socket; raises OSError, TimeoutError after `seconds`. An IPv6 address comes without brackets."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(connecting, (address, port))
    except BaseException:
        connecting.close()
        raise
    return connecting


async def connect_first(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    """The first of the addresses that accepts, each with its own time limit; raises what the last one did."""
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            return await connect(address, port, seconds)
        except OSError as error:
            failure = error
    raise failure
