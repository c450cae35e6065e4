"""Loads the Lua scripts and calls them by digest.

Each script is a file in `lua/` whose header says KEYS, ARGV, Returns and Invariant. A script touches the keys of one
slot only. EVALSHA falls back to EVAL after a restart of the store, which forgets scripts that were not persisted.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from gateway.store.connection import Client

Argument = bytes | str | int | float


class Script:
    """One Lua script; `name` is its file name without `.lua`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = resources.files("gateway.store").joinpath("lua", f"{name}.lua").read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: "Redis", keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        """Run it; the reply as Redis gives it. Raises redis.exceptions.RedisError."""
        try:
            return await redis.execute_command("EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await redis.execute_command("EVAL", self.text, len(keys), *keys, *args)


@cache
def load(name: str) -> Script:
    """The script of that name, read once."""
    return Script(name)


async def run_all(redis: "Redis", calls: Sequence[tuple[Script, Sequence[str], Sequence[Argument]]]) -> list[Any]:
    """Run many calls in one round trip; each answer is its reply or the exception that it raised.

    A script that the store has forgotten is sent again in full; that is safe because every script is idempotent.
    """
    answers = await send(redis, [("EVALSHA", script.sha, len(keys), *keys, *args) for script, keys, args in calls])
    forgotten = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if forgotten:
        texts = [("EVAL", script.text, len(keys), *keys, *args) for script, keys, args in (calls[i] for i in forgotten)]
        for i, answer in zip(forgotten, await send(redis, texts), strict=True):
            answers[i] = answer
    return answers


async def send(redis: "Redis", commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """Run commands in one round trip; the raw reply of each (RESP3), or the error that it is.

    They may run twice, as after a reply that was lost. Raises redis ConnectionError and its kin when the outcome is
    not known.
    """
    if isinstance(redis, Client):
        return await redis.wire.send(commands)
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    answers: list[Any] = await pipeline.execute(raise_on_error=False)
    return answers
