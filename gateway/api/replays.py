"""Replays: many deliveries to one endpoint by hand, filtered, paced, cancellable, with progress.

The answer to POST is that the replay is stored and its job queued; the work is done in slices elsewhere. `total` is
what the replay found, `sent delivered failed` are counted by the partitions' owners as it happens.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway import ids, problems, rfc3339
from gateway.api import catch_up, fields, pages
from gateway.api import endpoint_rules as rules
from gateway.api import endpoint_types as types
from gateway.api.call import Answer, Call
from gateway.api.openapi import PAGE_PARAMETERS, Operation, Parameter, Route
from gateway.model import replay as model
from gateway.model.endpoint import Endpoint
from gateway.problems import FieldError, Problem, field_error
from gateway.store import connection, marks

MAXIMUM_RATE = 10_000
FINISHED = ("completed", "failed")
_COUNTED = ("sent", "delivered", "failed")
_STATUSES = ("queued", "running", "cancelled", "completed", "failed")


class NewReplay(msgspec.Struct):
    """A replay to be made. `since` is inclusive, `until` exclusive; a later `until` than now means now."""

    endpoint: str
    since: types.Time
    until: types.Time | None = None
    event_types: types.Patterns | None = None
    mode: model.Mode = "fill"
    rate: Annotated[int, Meta(ge=1, le=MAXIMUM_RATE, description="Deliveries per second.")] | None = None
    dry_run: Annotated[bool, Meta(description="Only count.")] = False
    catch_up: Annotated[
        bool, Meta(description="Of an ordered endpoint: what is published from now on waits until this is through.")
    ] = False


class Replay(msgspec.Struct, kw_only=True):
    """A replay and how far it is. `sent` are deliveries with a first attempt in this replay."""

    id: str
    endpoint: str
    since: types.Time
    until: types.Time
    event_types: tuple[str, ...]
    mode: model.Mode
    rate: int | None
    dry_run: bool
    catch_up: bool
    status: model.ReplayStatus
    total: int
    sent: int
    delivered: int
    failed: int
    error: str | None
    created_at: types.Time
    updated_at: types.Time


async def create(call: Call) -> Answer:
    """POST /v1/replays."""
    values, wrong = fields.read(await call.json_object(), NewReplay)
    now = await connection.store_ms(call.services.redis)
    since, until = _range(values, now, wrong)
    if values.get("event_types") is not None:
        wrong += rules.event_types(values["event_types"], "event_types")
    endpoint = await _endpoint(call, values, wrong)
    wrong += catch_up.check(values, endpoint)
    problems.refuse_fields(wrong)
    assert endpoint is not None  # noqa: S101 - refused above
    if endpoint.status == "disabled" and not values["dry_run"]:
        raise Problem("endpoint_disabled", f"endpoint {endpoint.id} is disabled ({endpoint.disabled_reason})")
    if values["catch_up"]:
        await catch_up.require_free(call, endpoint)
        until = marks.AT_MARK if until > now else until
    stored = await call.services.replays.create(_new(call, values, endpoint, since, until))
    if stored.catch_up:
        stored = await catch_up.begin(call, stored)
    await call.services.start_replay(stored.id)
    return Answer(await _show(call, stored), 202, {"location": f"/v1/replays/{stored.id}"})


def _new(call: Call, values: dict[str, Any], endpoint: Endpoint, since_ms: int, until_ms: int) -> model.Replay:
    return model.Replay(
        id=ids.make("rpl", call.services.clock.wall_ms()),
        run=0,
        endpoint=endpoint.id,
        endpoint_number=endpoint.number,
        since_ms=since_ms,
        until_ms=until_ms,
        event_types=tuple(values["event_types"] or endpoint.event_types),
        mode=values["mode"],
        rate=values["rate"],
        dry_run=values["dry_run"],
        catch_up=values["catch_up"],
    )


def _range(values: dict[str, Any], now_ms: int, wrong: list[FieldError]) -> tuple[int, int]:
    times = {"since": 0, "until": now_ms + 1}
    bad = len(wrong)
    for name in times:
        if values.get(name) is not None:
            try:
                times[name] = rfc3339.parse_ms(values[name])
            except rfc3339.TimeInvalid as error:
                wrong.append(field_error(name, str(error), values[name]))
    since, until = max(times["since"], 0), min(times["until"], now_ms + 1)
    if since >= until and len(wrong) == bad:
        wrong.append(field_error("since", "must be before `until`, and in the past", values.get("since")))
    return since, until


async def _endpoint(call: Call, values: dict[str, Any], wrong: list[FieldError]) -> Endpoint | None:
    if "endpoint" not in values:
        return None
    found = await call.services.registry.get_endpoint(values["endpoint"])
    if found is None or not call.sees(found.subscriber):
        wrong.append(field_error("endpoint", "there is no such endpoint", values["endpoint"]))
        return None
    return found


async def list_all(call: Call) -> Answer:
    """GET /v1/replays."""
    status, endpoint = call.query.get("status"), call.query.get("endpoint")
    if status not in {None, *_STATUSES}:
        raise Problem("invalid_parameter", f"status is {status!r:.64}; it is one of {', '.join(_STATUSES)}")
    request = pages.read(call.query, f"replays {call.key.subscriber}", call.services.meta.cursor_key)
    found = await _visible(call, await call.services.replays.list_all())
    wanted = [one for one in found if status in {None, one.status} and endpoint in {None, one.endpoint}]
    page = request.cut(((one.created_ms, one.id), one) for one in wanted)
    return Answer(pages.Page(await _show_many(call, page.data), page.next))


async def _visible(call: Call, replays: Sequence[model.Replay]) -> list[model.Replay]:
    if call.key.subscriber is None:
        return list(replays)
    names = await call.services.registry.endpoint_names(one.endpoint_number for one in replays)
    owned = {number for number, name in names.items() if name.subscriber == call.key.subscriber}
    return [one for one in replays if one.endpoint_number in owned]


async def _find(call: Call) -> model.Replay:
    found = await call.services.replays.get(call.path["id"])
    if found is None or not await _visible(call, [found]):
        problems.not_found("replay", call.path["id"])
    return found


async def get(call: Call) -> Answer:
    """GET /v1/replays/{id}."""
    return Answer(await _show(call, await _find(call)))


async def cancel(call: Call) -> Answer:
    """POST /v1/replays/{id}/cancel."""
    await call.empty_body()
    found = await _find(call)

    def decide(read: model.Replay) -> model.Replay | None:
        if read.status in FINISHED:
            raise Problem("replay_finished", f"replay {read.id} is {read.status}")
        return None if read.status == "cancelled" else msgspec.structs.replace(read, status="cancelled")

    cancelled = await call.services.replays.change(found.id, decide)
    if cancelled is None:
        problems.not_found("replay", found.id)
    if cancelled.catch_up:
        await catch_up.end(call, cancelled)
    return Answer(await _show(call, cancelled))


async def _show(call: Call, replay: model.Replay) -> Replay:
    shown = await _show_many(call, [replay])
    return shown[0]


async def _show_many(call: Call, replays: Sequence[model.Replay]) -> list[Replay]:
    """With the counts of all partitions, in one round trip."""
    fields_wanted = [f"{replay.run}:{name}" for replay in replays for name in _COUNTED]
    if not fields_wanted:
        return []
    pipeline = call.services.redis.pipeline(transaction=False)
    for partition in call.services.partitions:
        pipeline.hmget(partition.replayed, fields_wanted)
    rows: list[list[bytes | None]] = await pipeline.execute()
    sums = [sum(int(value or 0) for value in column) for column in zip(*rows, strict=True)]
    width = len(_COUNTED)
    return [_view(replay, sums[width * at : width * (at + 1)]) for at, replay in enumerate(replays)]


def _view(replay: model.Replay, counted: Sequence[int]) -> Replay:
    sent, delivered, failed = counted
    return Replay(
        id=replay.id,
        endpoint=replay.endpoint,
        since=rfc3339.format_ms(replay.since_ms),
        until=rfc3339.format_ms(replay.until_ms or replay.created_ms),
        event_types=replay.event_types,
        mode=replay.mode,
        rate=replay.rate,
        dry_run=replay.dry_run,
        catch_up=replay.catch_up,
        status=replay.status,
        total=replay.total,
        sent=sent,
        delivered=delivered,
        failed=failed,
        error=replay.error,
        created_at=rfc3339.format_ms(replay.created_ms),
        updated_at=rfc3339.format_ms(replay.updated_ms),
    )


_STATUS = Parameter("status", "Only these.", {"type": "string", "enum": list(_STATUSES)})
_ENDPOINT = Parameter("endpoint", "Only replays to this endpoint.")
REPLAYS = "/v1/replays"
REPLAY = "/v1/replays/{id}"
ROUTES = (
    Route(Operation(
        "create_replay", "POST", REPLAYS, "Replay events to an endpoint", answers={202: Replay}, scope="manage",
        description="`fill` makes the deliveries that are missing and opens dead and skipped ones again, with the same "
        "`webhook-id`; `again` makes new deliveries with ids of their own, to be processed once more. With "
        "`catch_up` live events of an ordered endpoint wait for it; for an internal subscriber this needs the scope "
        "`admin`.",
        body=NewReplay, headers={"Location": "Path of the replay."},
        problems=(
            "invalid_request", "malformed_json", "invalid_encoding", "endpoint_disabled", "endpoint_deleted",
            "catch_up_running", "changed_meanwhile", "store_full",
        ),
    ), create),
    Route(Operation(
        "list_replays", "GET", REPLAYS, "Replays", answers={200: pages.Page[Replay]}, scope="read",
        parameters=(_ENDPOINT, _STATUS, *PAGE_PARAMETERS), problems=("invalid_cursor",),
    ), list_all),
    Route(Operation(
        "get_replay", "GET", REPLAY, "One replay with its progress",
        answers={200: Replay}, scope="read", problems=("not_found",),
    ), get),
    Route(Operation(
        "cancel_replay", "POST", f"{REPLAY}/cancel", "Cancel a replay",
        answers={200: Replay}, scope="manage",
        problems=("not_found", "replay_finished", "changed_meanwhile", "malformed_json"),
        description="What was sent stays sent, live events wait no longer; cancelling twice answers the same.",
    ), cancel),
)  # fmt: skip
