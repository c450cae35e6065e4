"""The processes of the system and the environment that they start with; pure, nothing runs here."""

import dataclasses
import sys
from collections.abc import Mapping

from gateway.cli.child import Program
from gateway.settings import PREFIX, Settings

GATEWAY = ("-m", "gateway.api.server")
DISPATCHER = ("-m", "dispatcher")
WORKER = ("-m", "dispatcher.jobs.worker")
SLICE_SECONDS = 30
"""A job of the worker is a slice of at most this length, which it ends before it goes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """Where the children find the store, and the keys that its secrets are encrypted with."""

    url: str
    encryption_keys: str | None


def python(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The command that runs a module of this installation."""
    return (sys.executable, *arguments)


def environment(environ: Mapping[str, str], settings: Settings, store: Store) -> dict[str, str]:
    """What a child starts with: this process's environment, with the store and everything that follows from it."""
    given = {name: value for name, value in environ.items() if not (name.startswith(PREFIX) and value == "")}
    given |= {
        "HOOKLINE_REDIS_URL": store.url,
        "HOOKLINE_DATA": str(settings.data.absolute()),
        "HOOKLINE_PARTITIONS": str(settings.partition_count),
        "PYTHONUNBUFFERED": "1",
    }
    if store.encryption_keys is not None:
        given["HOOKLINE_ENCRYPTION_KEYS"] = store.encryption_keys
    return given


def gateway(settings: Settings, env: Mapping[str, str]) -> Program:
    """The gateway: it ends what it has accepted, within its flush and a request's time."""
    return Program("gateway", python(GATEWAY), env, grace_seconds=settings.deadline_seconds + 2)


def dispatchers(settings: Settings, env: Mapping[str, str]) -> list[Program]:
    """The dispatchers: each hands its partitions over within the deadline of an attempt and 2 s."""
    grace = settings.deadline_seconds + 4
    return [
        Program(f"dispatcher-{number}", python(DISPATCHER), env, grace_seconds=grace)
        for number in range(1, settings.dispatchers + 1)
    ]


def worker(env: Mapping[str, str]) -> Program:
    """The worker of operator jobs."""
    return Program("worker", python(WORKER), env, grace_seconds=SLICE_SECONDS + 5)
