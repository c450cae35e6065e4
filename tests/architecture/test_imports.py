"""Who may import whom, and how little a receiver needs."""

import json
import subprocess
import sys
from pathlib import Path

from tests.architecture import source

PROBE = """
import json, sys
before = set(sys.modules)
import receivers
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([lint, "--no-logo"], cwd=source.ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_importing_receivers_needs_cryptography_alone() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=source.ROOT, capture_output=True, text=True, check=True
    ).stdout
    foreign = {name for name in json.loads(loaded) if name not in sys.stdlib_module_names}
    # cryptography's binding brings cffi; modules with a leading underscore are its compiled parts
    assert {name for name in foreign if not name.startswith("_")} <= {"receivers", "cryptography", "cffi"}
