"""Keeps the children of one supervisor: starts them in order, stops them in the other, says what happens to them.

Every death is told to `tell` and written to `<data>/logs/supervisor.log` as one line of JSON.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable

from gateway import rfc3339
from gateway.cli.child import Child, Ended, Program
from gateway.cli.folder import DataFolder
from gateway.clock import Clock

Tell = Callable[[Ended], None]


class Keeping:
    """The children, in the order of their start."""

    def __init__(self, folder: DataFolder, clock: Clock, tell: Tell) -> None:
        self._folder = folder
        self._clock = clock
        self._tell = tell
        self._stages: list[list[Child]] = []
        self.quiet = False
        """whether deaths are only written, not told"""

    @property
    def children(self) -> list[Child]:
        """All of them."""
        return [child for stage in self._stages for child in stage]

    async def start(self, *programs: Program) -> list[Child]:
        """Start a stage: programs that start, and later stop, together."""
        stage = [Child(p, self._folder.log(p.name), self._clock, self._died) for p in programs]
        self._stages.append(stage)
        for child in stage:
            self._write("process.starting", child.program.name)
            await child.start()
        return stage

    async def stop(self, *children: Child) -> None:
        """Stop some before the others; they are forgotten."""
        await asyncio.gather(*(child.stop() for child in children))
        for child in children:
            self._write("process.stopped", child.program.name)
        self._stages = [[c for c in stage if c not in children] for stage in self._stages]

    async def stop_all(self, order: Callable[[str], int]) -> None:
        """Stop everything; `order` gives the rank of a name, lower goes first, equals go together."""
        for rank in sorted({order(child.program.name) for child in self.children}):
            await self.stop(*(child for child in self.children if order(child.program.name) == rank))

    def kill_all(self) -> None:
        """SIGKILL to every group, at once."""
        for child in self.children:
            child.kill()

    def died(self) -> Child | None:
        """The first child that ended by itself at least once."""
        return next((child for child in self.children if child.deaths), None)

    def _died(self, ended: Ended) -> None:
        self._write("process.ended", ended.name, how=ended.how, restart_in_seconds=ended.wait_seconds)
        if not self.quiet:
            self._tell(ended)

    def _write(self, event: str, name: str, **facts: object) -> None:
        at = rfc3339.format_ms(self._clock.wall_ms())
        line = json.dumps({"at": at, "event": event, "process": name, **facts})
        with contextlib.suppress(OSError), self._folder.log("supervisor").open("a") as file:  # a full disk ends nothing
            file.write(line + "\n")
