"""What the services say, in the order in which they said it; the story waits here for what must happen."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

Line = Mapping[str, Any]
Wanted = Callable[[Line], bool]


class Feed:
    """Lines are kept until somebody takes them; with `live` they go there at once instead."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._news = asyncio.Event()
        self._live: Callable[[Line], None] | None = None

    def hear(self, text: str) -> None:
        """One line of a service's output; what is no JSON object is not from us."""
        try:
            line = json.loads(text)
        except ValueError:
            return
        if not isinstance(line, dict):
            return
        if self._live is not None:
            self._live(line)
            return
        self._lines.append(line)
        self._news.set()

    async def take(self, wanted: Wanted, seconds: float) -> Line:
        """The first line that is wanted, now or within `seconds`. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                for number, line in enumerate(self._lines):
                    if wanted(line):
                        return self._lines.pop(number)
                self._news.clear()
                await self._news.wait()

    def go_live(self, show: Callable[[Line], None]) -> None:
        """From now on every line is shown as it comes; those not taken are shown first."""
        self._live = show
        for line in self._lines:
            show(line)
        self._lines.clear()
