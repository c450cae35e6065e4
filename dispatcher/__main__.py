"""`python -m dispatcher`: runs one dispatcher until SIGTERM or SIGINT."""

import asyncio
import gc
import os
import signal
import sys

import uvloop

from dispatcher.process import Dispatcher
from gateway import logs
from gateway.clock import SystemClock
from gateway.settings import Settings, SettingsError, load
from gateway.store.errors import StoreError


async def _run(settings: Settings, url: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    dispatcher = Dispatcher(settings, url, SystemClock())
    starting = asyncio.create_task(dispatcher.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return
    await starting
    await stopping
    await dispatcher.stop()


def main() -> int:
    """Exit code 0 after a clean stop, 2 for bad settings or a store that may lose data."""
    logs.configure()
    # events and deliveries live for milliseconds: few full collections, and none over what is loaded once
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        settings = load(os.environ)
        if settings.redis_url is None:
            raise SettingsError(
                "HOOKLINE_REDIS_URL is not set: a dispatcher needs the store's address; see `hookline up`"
            )
        uvloop.run(_run(settings, settings.redis_url))
    except (SettingsError, StoreError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
