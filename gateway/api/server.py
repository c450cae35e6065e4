"""The gateway process: `python -m gateway.api.server`, set by `HOOKLINE_*`, its store at HOOKLINE_REDIS_URL.

    settings -> open (or keep trying while the store is away) -> listen -> SIGTERM, SIGINT, failure -> drain -> close

It listens before the store answers and says so with 503. On SIGTERM it accepts no more and answers what it has
accepted. Exit status: 0 after a signal, 1 when it cannot run (a store that loses data, another partition count, a taken
port) or can no more, 2 for settings that are not; the reason is one line on stderr.
"""

import asyncio
import contextlib
import functools
import gc
import os
import resource
import signal
import sys

import uvloop

from gateway import logs
from gateway.api.app import Gateway, create_app
from gateway.api.http1.listener import Listener
from gateway.api.opening import open_gateway
from gateway.clock import Clock, SystemClock
from gateway.settings import Settings, SettingsError, load
from gateway.store import jobs

DRAIN_SECONDS = 12.0
"""For the requests that run at the end: a slow body has 10 s, then its event must reach the store."""


def main() -> int:
    """Run until a signal; the exit status."""
    logs.configure()
    try:
        settings = load(os.environ)
    except SettingsError as error:
        return _say(str(error), 2)
    if settings.redis_url is None:
        return _say("HOOKLINE_REDIS_URL is not set; `hookline up` starts a store and the gateway with it", 2)
    _allow_open_files()
    _collect_rarely()
    return uvloop.run(serve(settings, settings.redis_url, SystemClock()))


async def serve(settings: Settings, redis_url: str, clock: Clock) -> int:
    """Serve until a signal or a failure; the exit status."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with contextlib.closing(jobs.Jobs(jobs.url(settings, redis_url))) as queue:
        opener = functools.partial(open_gateway, settings, redis_url, clock, queue.start_replay)
        async with create_app(opener, clock).running() as gateway:
            if gateway.failure is not None:
                return _say(str(gateway.failure), 1)
            return await _listen(gateway, settings, clock, stop)


async def _listen(gateway: Gateway, settings: Settings, clock: Clock, stop: asyncio.Event) -> int:
    listener = Listener(gateway, clock, prepare=gateway.prepare)
    try:
        await listener.open(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        return _say(f"cannot listen on {where} ({error.strerror}); free it, or set HOOKLINE_HOST and HOOKLINE_PORT", 1)
    waits = [asyncio.create_task(event.wait()) for event in (stop, gateway.ended)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await listener.close(DRAIN_SECONDS)
    return 0 if gateway.failure is None else _say(str(gateway.failure), 1)


def _allow_open_files() -> None:
    """As many connections as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _collect_rarely() -> None:
    """Look for garbage in cycles a hundredth as often: requests make none, and each search walks all that live."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(70_000, 20, 50)


def _say(reason: str, status: int) -> int:
    sys.stderr.write(f"hookline gateway: {reason}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
