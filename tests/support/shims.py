"""Libraries that are preloaded into a process (ld.so(8), LD_PRELOAD) to make it meet a fault; built when first needed.

fsync_shim.c    writes down what is on disk, slows the disk
clock_shim.c    shifts the wall clock
"""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path


def compiler() -> str | None:
    """The C compiler, or None; tests that need a shim are skipped without one and say so."""
    return shutil.which("cc") or shutil.which("gcc")


@functools.cache
def build(name: str) -> Path:
    """The compiled `<name>.c` of this directory; raises FileNotFoundError without a compiler."""
    cc = compiler()
    if cc is None:
        raise FileNotFoundError(f"a C compiler (cc or gcc) is needed to build {name}")
    target = Path(tempfile.mkdtemp(prefix="hookline-shim-")) / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    command = [cc, "-shared", "-fPIC", "-O2", "-Wall", "-o", str(target), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return target
