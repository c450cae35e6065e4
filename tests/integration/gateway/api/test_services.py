"""What the handlers work with."""

import dataclasses

import pytest

from tests.support.api_rig import Rig


async def test_it_cannot_be_changed_by_a_handler(rig: Rig) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        rig.services.redis = rig.redis  # type: ignore[misc]  # that is what is refused
    assert all(value is not None for value in (getattr(rig.services, f.name) for f in dataclasses.fields(rig.services)))
