"""The disk is full when it should be, has room again when told, and is seen from outside."""

import subprocess
from pathlib import Path

import pytest

from tests.support.small_disk import SmallDisk, possible

pytestmark = pytest.mark.skipif(not possible(), reason="may not mount a tmpfs in a namespace of its own (unshare -m)")
MEGABYTE = 1_048_576


def write(disk: SmallDisk, name: str, megabytes: int) -> bool:
    """Whether a process on the disk can write a file of that size."""
    target = [f"of={disk.path / name}", "bs=1M", f"count={megabytes}", "status=none"]
    done = subprocess.run([*disk.prefix, "dd", "if=/dev/zero", *target], capture_output=True, check=False)
    return done.returncode == 0


def test_it_fills_grows_and_is_seen_from_outside(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", 4) as disk:
        assert write(disk, "small", 1)
        assert (disk.outside / "small").stat().st_size == MEGABYTE
        assert not (tmp_path / "disk" / "small").exists()
        assert disk.free_bytes() == 3 * MEGABYTE
        assert not write(disk, "large", 8)
        assert disk.free_bytes() == 0
        disk.grow(16)
        assert write(disk, "large", 8)
