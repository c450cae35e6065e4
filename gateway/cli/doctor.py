"""`hookline doctor`: the settings in force, how the system does, what is at risk and what to do about it."""

import dataclasses
import re

from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli.attach import store
from gateway.cli.checkup import WATCH_SECONDS, Finding, judge
from gateway.cli.checkup import look as look_at
from gateway.clock import Clock
from gateway.settings import PREFIX, Settings

_PASSWORD = re.compile(r"(?<=:)[^:@/]*(?=@)")


async def doctor(settings: Settings, clock: Clock, console: Console) -> int:
    """0, or 1 when something is at risk. Takes a few seconds: life shows only in time."""
    async with store(settings) as redis:
        show_settings(console, settings)
        console.print(Text(f"\n  watching for {WATCH_SECONDS:g} s\n", look.QUIET))
        findings = judge(await look_at(redis, clock))
    show(console, findings)
    return 1 if any(finding.risk for finding in findings) else 0


def show_settings(console: Console, settings: Settings) -> None:
    """What differs from the defaults; no secret is shown."""
    changed = [
        (PREFIX + field.name.upper(), shown(field.name, getattr(settings, field.name)))
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) != field.default
    ]
    console.print(Text("\nSettings that are not the default" if changed else "\nAll settings are the default"))
    look.facts(console, changed)


def shown(name: str, value: object) -> str:
    """A setting as it would be written, without its secret."""
    if name == "encryption_keys":
        return "(hidden)"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return look.safe(_PASSWORD.sub("***", str(value)))


def show(console: Console, findings: list[Finding]) -> None:
    """One row for each finding."""
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        verdict = Text("  risk  ", look.BAD) if finding.risk else Text("  ok    ", look.GOOD)
        console.print(verdict.append(finding.subject.ljust(width + 2), look.STRONG).append(look.safe(finding.text)))
