"""The store that a command talks to: the one of HOOKLINE_REDIS_URL, else the embedded one that runs on the folder."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.cli import programs
from gateway.cli.errors import CommandFailed
from gateway.cli.folder import DataFolder, shown
from gateway.settings import Settings
from gateway.store import connection, embedded


def store_url(settings: Settings) -> str:
    """Its URL. Raises CommandFailed when no store is named and none runs."""
    if settings.redis_url is not None:
        return settings.redis_url
    folder = DataFolder(settings.data)
    url = embedded.running_url(folder.path) if folder.is_locked() else None
    if url is None:
        raise CommandFailed(
            f"no store runs on {shown(folder.path)}: start `hookline up` with this HOOKLINE_DATA, "
            "or set HOOKLINE_REDIS_URL"
        )
    return url


@contextlib.asynccontextmanager
async def store(settings: Settings) -> AsyncIterator[Redis]:
    """A client of that store; its failures become CommandFailed."""
    redis = connection.connect(store_url(settings))
    try:
        yield redis
    except (RedisError, OSError) as error:
        whose = "the store of HOOKLINE_REDIS_URL" if settings.redis_url else "the embedded store"
        raise CommandFailed(f"{whose} does not answer: {error}") from None
    finally:
        await redis.aclose()


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """What a process that joins this store starts with."""
    if not settings.embedded:
        return dict(environ)
    keys = settings.encryption_keys
    path = DataFolder(settings.data).encryption_keys
    if keys is None and path.is_file():
        keys = path.read_text("ascii").strip()
    return programs.environment(environ, settings, programs.Store(store_url(settings), keys))
