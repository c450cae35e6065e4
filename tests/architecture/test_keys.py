"""Every key comes from one place, and the keys of one script lie in one slot."""

import inspect

import pytest
from redis.crc import key_slot

from gateway.store.keys import PartitionKeys, RegistryKeys
from tests.architecture import source

HOME = "gateway/store/keys.py"


def test_no_key_literal_elsewhere() -> None:
    found = [
        f"{path}:{number}"
        for path in source.python_files()
        if path.parts[0] in source.PACKAGES and str(path) != HOME
        for number, line in enumerate(source.text(path).splitlines(), 1)
        if '"hl:' in line or "'hl:" in line
    ]
    assert found == []


def partition_keys(keys: PartitionKeys) -> list[str]:
    """Every key that the class can name, its methods called with a plausible argument."""
    names = [value for value in vars(keys).values() if isinstance(value, str)]
    for name, member in inspect.getmembers(PartitionKeys):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            names.append(getattr(keys, name))
        elif inspect.isfunction(member):
            takes = [p.annotation for p in inspect.signature(member).parameters.values()][1:]
            names.append(getattr(keys, name)(*("x.{y}" if kind is str else 7 for kind in takes)))
    return names


@pytest.mark.parametrize("count", [1, 4, 16, 256])
def test_a_partition_is_one_slot_and_partitions_spread(count: int) -> None:
    slots = []
    for number in range(count):
        mine = {key_slot(key.encode()) for key in partition_keys(PartitionKeys(number, count))}
        assert len(mine) == 1
        slots.append(mine.pop())
    ranges = [slot * count // 16_384 for slot in slots]
    assert ranges == list(range(count))


def test_the_registry_is_one_slot() -> None:
    keys = [value for name, value in vars(RegistryKeys).items() if isinstance(value, str) and "hl:" in value]
    assert len(keys) > 5
    assert len({key_slot(key.encode()) for key in keys}) == 1
