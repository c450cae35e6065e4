"""`hookline doctor`: reads, judges, prints."""

from rich.console import Console

from gateway import rfc3339
from gateway.cli.attach import store
from gateway.cli.doctor import judging, reading, showing
from gateway.cli.errors import CommandFailed
from gateway.clock import Clock
from gateway.settings import Settings

HEALTHY, ATTENTION, BLIND = 0, 1, 2


async def doctor(settings: Settings, clock: Clock, console: Console, *, as_json: bool = False) -> int:
    """The exit code: 0 nothing needs attention, 1 something does, 2 the doctor cannot look and has said why.

    Takes a few seconds: life shows only in time.
    """
    try:
        async with store(settings) as redis:
            if not as_json:
                console.print(f"\n  watching for {reading.WATCH_SECONDS:g} s", style="dim")
            facts = await reading.read(redis, settings, clock)
    except CommandFailed as failed:
        if as_json:
            console.print(showing.failure_as_json(failed.message))
        else:
            failed.show()
        return BLIND
    findings = judging.judge(facts)
    if as_json:
        console.print(showing.as_json(findings, rfc3339.format_ms(facts.now_ms)))
    else:
        showing.show(console, findings)
    return ATTENTION if judging.attention(findings) else HEALTHY
