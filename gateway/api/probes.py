"""Whether it lives, whether it is ready, how it does, and a page for people. None of these needs a key.

`/livez` is 200 as long as the process answers: nothing outside it may get it restarted. `/readyz` is 503 with named
reasons when a publisher would not get a 202. That nobody delivers is a warning there: events are taken in all the same.
"""

import asyncio
import html
from importlib.metadata import version

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from gateway import problems
from gateway.api import metrics
from gateway.api.call import Answer, Call
from gateway.api.openapi import Operation, Route
from gateway.api.services import Services
from gateway.problems import TABLE
from gateway.store import connection, durability, leases, vitals

CHECK_SECONDS = 2.0
RETRY_AFTER = {"retry-after": "2"}
HTML = "text/html; charset=utf-8"


class Alive(msgspec.Struct):
    """The process answers."""

    status: str = "alive"


class Reason(msgspec.Struct):
    """Why it is not ready, or what an operator should look at; `code` is stable."""

    code: str
    text: str


class Readiness(msgspec.Struct):
    """`ready` or `not_ready`, with the reasons; warnings do not make it not ready."""

    status: str
    reasons: list[Reason]
    warnings: list[Reason]


class ProblemPage(msgspec.Struct):
    """One row of the table of problems."""

    code: str
    status: int
    title: str
    way_out: str


async def livez(_call: Call) -> Answer:
    """GET /livez."""
    return Answer(Alive())


async def readyz(call: Call) -> Answer:
    """GET /readyz."""
    reasons: list[Reason] = []
    warnings: list[Reason] = []
    if call.opened is None:
        reasons.append(Reason("starting", "the store has not answered since the start"))
    else:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await _judge(call.opened, reasons, warnings)
        except TimeoutError:
            reasons.append(Reason("store_unavailable", f"no answer within {CHECK_SECONDS:g} s"))
        except Exception as error:
            if not connection.is_unavailable(error):
                raise
            reasons.append(Reason("store_unavailable", f"{type(error).__name__}: {error}"))
    if reasons:
        return Answer(Readiness("not_ready", reasons, warnings), 503, RETRY_AFTER)
    return Answer(Readiness("ready", reasons, warnings))


async def _judge(services: Services, reasons: list[Reason], warnings: list[Reason]) -> None:
    for risk in await durability.check(services.redis):
        accepted = services.settings.accept_data_loss and not risk.fatal
        (warnings if accepted else reasons).append(Reason(risk.code, risk.text))
    if await services.registry.meta() != services.meta:
        reasons.append(Reason("store_changed", "the store is not the one of the start: start the gateway again"))
    if services.fullness.full:
        reasons.append(Reason("store_full", f"memory is used to {services.fullness.share:.0%}; taken below 88 %"))
    held = await leases.peek(services.redis, services.partitions)
    orphans = [str(number) for number in services.owners.missing(held)]
    if orphans:
        warnings.append(Reason("no_dispatcher", f"nobody delivers partition {', '.join(orphans)}: start a dispatcher"))


async def show_metrics(call: Call) -> Answer:
    """GET /metrics."""
    snapshot = await vitals.take(call.services.redis, call.services.partitions)
    return Answer(metrics.render(snapshot), headers={"content-type": CONTENT_TYPE_LATEST})


async def show_problem(call: Call) -> Answer:
    """GET /problems/{code}."""
    row = TABLE.get(call.path["code"])
    if row is None:
        problems.not_found("problem", call.path["code"])
    return Answer(ProblemPage(call.path["code"], row.status, row.title, row.way_out))


_LINKS = (
    ("/openapi.json", "the API, OpenAPI 3.1"),
    ("/readyz", "whether it takes events, and if not, why"),
    ("/livez", "whether the process answers"),
    ("/metrics", "how it does, for Prometheus"),
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Hookline</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}}
pre{{background:#f4f4f4;padding:1rem;overflow:auto}}</style>
<h1>Hookline {version}</h1>
<p>Events in over HTTP, kept in Redis, delivered as signed webhooks to every registered subscriber.</p>
<ul>{links}</ul>
<pre>curl -X POST http://{host}/v1/events \\
  -H 'Authorization: Bearer &lt;API key&gt;' \\
  -H 'Content-Type: application/json' \\
  -d '{{"type": "order.placed", "data": {{"order": "1"}}}}'</pre>
</html>
"""


async def page(call: Call) -> Answer:
    """GET /."""
    links = "".join(f'<li><a href="{path}">{path}</a>: {text}</li>' for path, text in _LINKS)
    host = call.headers.get(b"host", b"localhost").decode("latin-1")
    text = _PAGE.format(version=version("hookline"), links=links, host=html.escape(host))
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return Answer(text.encode(), headers={"content-type": HTML, "content-security-policy": policy})


ROUTES = (
    Route(Operation(
        "show_page", "GET", "/", "A page with links", answers={200: str}, answer_type="text/html",
    ), page),
    Route(Operation("check_live", "GET", "/livez", "Whether the process answers", answers={200: Alive}), livez),
    Route(Operation(
        "check_ready", "GET", "/readyz", "Whether events are taken in, and if not, why",
        answers={200: Readiness, 503: Readiness},
    ), readyz),
    Route(Operation(
        "show_metrics", "GET", "/metrics", "Metrics for Prometheus", answers={200: str}, answer_type="text/plain",
        problems=("store_unavailable",),
    ), show_metrics),
    Route(Operation(
        "show_problem", "GET", "/problems/{code}", "What a problem means", answers={200: ProblemPage},
        problems=("not_found",),
    ), show_problem),
)  # fmt: skip
