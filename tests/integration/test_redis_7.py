"""The same tests of the store on Redis 7.0, the oldest server that is supported."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITES = ("tests/integration/gateway/store", "tests/integration/gateway/ingest", "tests/integration/receivers/inbox")


def redis_server() -> str:
    """Path of an installed Redis 7; skips the test when there is none."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server is installed (Debian: apt-get install redis-server)")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if re.search(r"\bv=7\.", version) is None:
        pytest.skip(f"{found} is not Redis 7: {version.strip()}")
    return found


@pytest.mark.timeout(300)
def test_the_store_behaves_the_same() -> None:
    command = [sys.executable, "-m", "pytest", "--tb=short", "-p", "no:cacheprovider", *SUITES]
    environment = {**os.environ, "VALKEY_BINARY": redis_server()}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-2_000:]
