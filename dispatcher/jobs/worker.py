"""`python -m dispatcher.jobs.worker`: runs one worker of operator jobs until SIGTERM or SIGINT.

    main thread   RQ's SimpleWorker: takes a job, runs its slice, takes the next one
    watch thread  finds replays that stand still and queues a slice for them

Nothing is forked: a slice is short, keeps its state in the store, and a process that hangs or dies is replaced by
whoever watches. RQ leaves its work loop at errors that it does not know; it is entered again, for ever.

A signal ends an idle worker at once and a busy one with its slice, which looks for it at every turn. A store that hangs
cannot hold the process: it ends by force after `Timing.stop` seconds, and what was not saved is done again.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

from redis.exceptions import RedisError

from dispatcher.jobs import runtime
from dispatcher.jobs.timing import NORMAL, Timing
from dispatcher.jobs.watch import Watch
from gateway import logs
from gateway.settings import SettingsError, load
from gateway.store import connection, durability, jobs
from gateway.store.errors import StoreError
from gateway.store.registry import Registry

# RQ is imported after gateway.store.jobs, which sets its prefix
# isort: split
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

WORKER_TTL_SECONDS = 30
"""RQ waits for a job half as long, and for a reply of the store a little longer."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOP_STEP_SECONDS = 0.25
logger = logging.getLogger("dispatcher.worker")


class RqWorker(SimpleWorker):
    """RQ's loop without what the process does itself: signals; and without remote commands."""

    max_connection_wait_time = 2.0

    def _install_signal_handlers(self) -> None:
        """The process has its own."""

    def subscribe(self) -> None:
        """No remote commands."""

    def unsubscribe(self) -> None:
        """No remote commands."""

    def is_busy(self) -> bool:
        """Whether a job is under way."""
        return bool(self.get_state() == WorkerStatus.BUSY)

    def end_soon(self) -> None:
        """Leave the loop after the running job."""
        self._stop_requested = True


class WorkerProcess:
    """The process; made and run in the main thread."""

    def __init__(self, given: runtime.Runtime) -> None:
        self._given = given
        self._worker: RqWorker | None = None

    def run(self) -> None:
        """Work until a signal comes. Raises StoreError for a store that does not fit these settings."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        with contextlib.suppress(SystemExit):
            asyncio.run(self._prepare())
            logger.info("worker.started", extra={"pid": os.getpid(), "queue": jobs.QUEUE})
            with self._watching():
                while not self._given.stopping.is_set():
                    self._work()
        logger.info("worker.stopped", extra={"pid": os.getpid()})

    def _on_signal(self, *_: object) -> None:
        if self._given.stopping.is_set():
            return
        self._given.stopping.set()
        force = threading.Timer(self._given.timing.stop, os._exit, (0,))
        force.daemon = True
        force.start()
        if self._worker is not None and self._worker.is_busy():
            self._worker.end_soon()
        else:
            raise SystemExit(0)

    async def _prepare(self) -> None:
        """Wait for the store and check it, as a dispatcher does."""
        given = self._given
        redis = connection.connect(given.url)
        try:
            while True:
                try:
                    await durability.require(redis, given.settings.accept_data_loss)
                    await Registry(redis, given.clock).bootstrap(given.settings.partition_count)
                except RedisError as error:
                    logger.warning("store.unavailable", extra={"error": repr(error)})
                    await given.clock.sleep(given.timing.retry)
                else:
                    return
        finally:
            await redis.aclose()

    def _work(self) -> None:
        """Be an RQ worker until it gives up."""
        redis = jobs.connect(jobs.url(self._given.settings, self._given.url))
        try:
            self._worker = RqWorker(
                [jobs.queue(redis)], connection=redis, worker_ttl=WORKER_TTL_SECONDS, serializer=JSONSerializer
            )
            self._worker.work(logging_level="WARNING")
        except (RedisError, OSError) as error:
            logger.warning("worker.interrupted", extra={"error": repr(error)})
        finally:
            self._worker = None
            redis.close()
        self._given.stopping.wait(self._given.timing.retry)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        thread = threading.Thread(target=lambda: asyncio.run(self._watch()), name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(2 * _STOP_STEP_SECONDS)

    async def _watch(self) -> None:
        given = self._given
        redis = connection.connect(given.url)
        watch = Watch(redis, given.jobs, given.clock, given.timing)
        due = given.clock.monotonic()
        while not given.stopping.is_set():
            if given.clock.monotonic() >= due:
                due = given.clock.monotonic() + given.timing.watch
                try:
                    await watch.run_once()
                except (RedisError, OSError) as error:
                    logger.warning("watch.interrupted", extra={"error": repr(error)})
                except Exception:
                    logger.exception("watch.failed")
            await given.clock.sleep(min(_STOP_STEP_SECONDS, given.timing.watch))
        await redis.aclose()


def main(timing: Timing = NORMAL) -> int:
    """Exit code 0 after a clean stop, 2 for bad settings or a store that may lose data."""
    logs.configure()
    try:
        given = runtime.make(load(os.environ), timing)
        runtime.use(given)
        WorkerProcess(given).run()
    except (SettingsError, StoreError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
