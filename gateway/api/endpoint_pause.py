"""Pause and resume an endpoint: what would be sent to it is held, in order, until it is resumed.

    enabled --pause--> paused --resume--> enabled          disabled: 409, enable it

Beyond `HOOKLINE_HOLD_LIMIT` deliveries are skipped as `hold_full`; a replay in mode `fill` brings them. Resuming
forgets the failures of before: nothing was tried in between.
"""

from gateway.api import access, endpoint_drafts
from gateway.api import endpoint_types as types
from gateway.api.call import Answer, Call
from gateway.api.endpoint_views import show_detail
from gateway.api.endpoints import ENDPOINT, repeated
from gateway.api.openapi import Operation, Route
from gateway.model.endpoint import Status
from gateway.problems import Problem


async def pause(call: Call) -> Answer:
    """POST /v1/endpoints/{id}/pause."""
    return await _turn(call, "paused")


async def resume(call: Call) -> Answer:
    """POST /v1/endpoints/{id}/resume."""
    return await _turn(call, "enabled")


async def _turn(call: Call, status: Status) -> Answer:
    await call.empty_body()

    async def once() -> Answer:
        old = await access.endpoint(call, call.path["id"])
        access.require_change(call, old.kind)
        if old.status == "disabled":
            raise Problem("endpoint_disabled", f"endpoint {old.id} is disabled ({old.disabled_reason})")
        if old.status == status:
            return Answer(await show_detail(call, old))
        new = await endpoint_drafts.with_status(call.services, old, status)
        stored = await call.services.registry.update_endpoint(new, old.revision)
        return Answer(await show_detail(call, stored))

    return await repeated(call, once)


_PROBLEMS = ("not_found", "endpoint_disabled", "changed_meanwhile", "malformed_json")
ROUTES = (
    Route(Operation(
        "pause_endpoint", "POST", f"{ENDPOINT}/pause", "Hold what would be sent to an endpoint",
        answers={200: types.EndpointDetail}, scope="manage", problems=_PROBLEMS,
        description="Deliveries become `held`, also those whose retry is due meanwhile; an attempt that runs ends. "
        "Beyond HOOKLINE_HOLD_LIMIT they are skipped as `hold_full`: a replay in mode `fill` brings them. Pausing "
        "twice answers the same. For an internal subscriber the key needs the scope `admin`.",
    ), pause),
    Route(Operation(
        "resume_endpoint", "POST", f"{ENDPOINT}/resume", "Send what was held for an endpoint",
        answers={200: types.EndpointDetail}, scope="manage", problems=_PROBLEMS,
        description="In order and within the endpoint's limits. Resuming twice answers the same. For an internal "
        "subscriber the key needs the scope `admin`.",
    ), resume),
)  # fmt: skip
