"""The baseline of the ingest figure: the real route, and nothing stored."""

from pathlib import Path

from tests.bench.measures import NULL_APP
from tests.support.system import System


def test_it_answers_as_the_gateway_does_and_stores_nothing(tmp_path: Path) -> None:
    with System(tmp_path, dispatchers=0, modules={"gateway": NULL_APP}) as system:
        answer = system.api.publish({"type": "order.placed", "data": {"total": 1}})
        assert answer.status_code == 202, answer.text
        assert answer.json()["id"].startswith("evt_")
        assert system.api.publish({"type": "order placed", "data": 1}).status_code == 422
        assert system.stored() == 0
