"""Keys: one slot per partition, spread evenly; a name for each thing; no two alike."""

import pytest
from redis.crc import key_slot

from gateway.store.keys import SLOTS, PartitionKeys, RegistryKeys, partition_tag


def names(keys: PartitionKeys) -> list[str]:
    plain = [name for name in vars(PartitionKeys) if not name.startswith("_") and isinstance(getattr(keys, name), str)]
    made = [keys.flush("t"), keys.type_index("a"), keys.subject_index(1), keys.records(1), keys.attempts(1)]
    made += [keys.endpoint_index(1), keys.late_index(1), keys.lane(1)]
    return [getattr(keys, name) for name in plain] + made


@pytest.mark.parametrize("count", [1, 4, 16, 256])
def test_each_partition_has_one_slot_in_its_own_share_of_the_slots(count: int) -> None:
    for number in range(count):
        slots = {key_slot(name.encode()) for name in names(PartitionKeys(number, count))}
        assert len(slots) == 1
        assert slots.pop() * count // SLOTS == number


def test_no_two_keys_are_alike() -> None:
    found = [name for number in range(4) for name in names(PartitionKeys(number, 4))]
    assert len(found) == len(set(found))
    assert len(found) > 4 * 25


def test_the_registry_has_one_slot() -> None:
    found = [value for name, value in vars(RegistryKeys).items() if isinstance(value, str) and value.startswith("hl:")]
    assert len({key_slot(name.encode()) for name in found}) == 1


def test_tags_do_not_change_from_start_to_start() -> None:
    assert [partition_tag(number, 4) for number in range(4)] == ["0.1", "1.3", "2.1", "3.3"]
