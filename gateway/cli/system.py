"""The whole system under one supervisor.

    lock the folder -> port free? -> store -> durable? -> first key -> gateway, dispatchers, worker -> ready
    stop: gateway, dispatchers, worker, store

Before it is ready, a process that ends is a reason to give up, with its last words; afterwards it is restarted for
ever. With HOOKLINE_REDIS_URL no store is started, no key is made, and the rest is the same.
"""

import asyncio
import socket
from collections.abc import Mapping, Sequence

import httpx
from redis.exceptions import RedisError

from gateway.cli import programs, words
from gateway.cli.child import Program
from gateway.cli.errors import CommandFailed
from gateway.cli.first_key import first_key
from gateway.cli.folder import DataFolder, shown
from gateway.cli.keeping import Keeping, Tell
from gateway.clock import Clock
from gateway.settings import Settings
from gateway.store import connection, durability, embedded, errors, leases
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Registry
from gateway.store.vault import Vault, VaultError

_POLL_SECONDS = 0.05
_ORDER = ("gateway", "dispatcher", "worker")


def stop_rank(name: str) -> int:
    """Who stops first: what takes events in, then what sends them, then the rest, the store last."""
    if name == "store":
        return len(_ORDER) + 1
    return next((rank for rank, part in enumerate(_ORDER) if name.startswith(part)), len(_ORDER))


def base_url(settings: Settings) -> str:
    """The gateway's address as this machine reaches it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared only
    return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{settings.port}"


def require_free_port(settings: Settings) -> None:
    """Raises CommandFailed when the gateway could not listen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        reason = "is taken" if error.errno is not None and error.errno in words.TAKEN else f"cannot be used ({error})"
        raise CommandFailed(
            f"port {settings.port} on {settings.host} {reason}: set HOOKLINE_PORT to a free one, "
            f"for example HOOKLINE_PORT={settings.port + 1}"
        ) from None


class System:
    """Everything that one `hookline up` runs. `tell` hears of every process that ended by itself."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], clock: Clock, tell: Tell) -> None:
        self.settings = settings
        self.folder = DataFolder(settings.data)
        self.keeping = Keeping(self.folder, clock, tell)
        self.url = base_url(settings)
        self.store_url = settings.redis_url or ""
        self.admin_key: str | None = None
        self._environ = environ
        self._clock = clock

    async def start(self) -> None:
        """Returns when the gateway is ready. Raises CommandFailed with the way out; stop it then too."""
        await self.folder.lock(self._clock)
        self.folder.turn_logs()
        self.keeping.quiet = True
        require_free_port(self.settings)
        keys = self._encryption_keys()
        if self.settings.embedded:
            await self._start_store()
        await self._prepare_store()
        env = programs.environment(self._environ, self.settings, programs.Store(self.store_url, keys))
        await self.keeping.start(programs.gateway(self.settings, env))
        await self.keeping.start(*programs.dispatchers(self.settings, env))
        await self.keeping.start(programs.worker(env))
        await self._wait_ready()
        self.keeping.quiet = False

    async def wait_owned(self, seconds: float) -> None:
        """Until our dispatchers own every partition; a killed one's share is taken over first. Raises TimeoutError."""
        count = self.settings.partition_count
        partitions = [PartitionKeys(number, count) for number in range(count)]
        redis = connection.connect(self.store_url)
        try:
            async with asyncio.timeout(seconds):
                while not self._own(await leases.peek(redis, partitions)):
                    await self._clock.sleep(_POLL_SECONDS)
        finally:
            await redis.aclose()

    def _own(self, found: Sequence[leases.Lease]) -> bool:
        ours = {f"-{child.pid}-" for child in self.keeping.children if child.program.name.startswith("dispatcher")}
        return all(any(pid in lease.owner for pid in ours) for lease in found)

    async def stop(self) -> None:
        """Stop everything in order and give the folder back."""
        await self.keeping.stop_all(stop_rank)
        self.folder.unlock()

    def kill(self) -> None:
        """End everything at once; the store recovers at its next start."""
        self.keeping.kill_all()
        self.folder.unlock()

    def _encryption_keys(self) -> str | None:
        try:
            Vault.from_settings(self.settings, self.folder.path)
        except VaultError as error:
            raise CommandFailed(str(error)) from None
        if self.settings.encryption_keys is not None or not self.settings.embedded:
            return self.settings.encryption_keys
        return self.folder.encryption_keys.read_text("ascii").strip()

    async def _start_store(self) -> None:
        try:
            store = embedded.prepare(self.folder.path)
        except embedded.EmbeddedUnavailable as error:
            raise CommandFailed(str(error)) from None
        self.store_url = store.url
        lock = (self.folder.lock_descriptor,)
        [child] = await self.keeping.start(Program("store", store.command, dict(self._environ), inherited=lock))
        if not await embedded.wait_ready(store.url, lambda: child.deaths == 0, self._clock):
            raise self._does_not_start()

    async def _prepare_store(self) -> None:
        redis = connection.connect(self.store_url)
        try:
            await durability.require(redis, self.settings.accept_data_loss)
            await Registry(redis, self._clock).bootstrap(self.settings.partition_count)
            if self.settings.embedded:
                self.admin_key = await first_key(redis, self.folder.admin_key, self._clock)
        except errors.StoreError as error:
            raise CommandFailed(str(error)) from None
        except (RedisError, OSError) as error:
            where = "its log is " + shown(self.folder.log("store")) if self.settings.embedded else "HOOKLINE_REDIS_URL"
            raise CommandFailed(f"the store does not answer ({error}): see {where}") from None
        finally:
            await redis.aclose()

    async def _wait_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=2.0) as client:
            while not await _is_ready(client):
                if self.keeping.died() is not None:
                    raise self._does_not_start()
                await self._clock.sleep(_POLL_SECONDS)

    def _does_not_start(self) -> CommandFailed:
        child = self.keeping.died()
        if child is None:
            return CommandFailed("the store ended while it was starting")
        return CommandFailed(
            f"{child.program.name} does not start: {words.last_words(child.log)} (its log: {shown(child.log)})"
        )


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
