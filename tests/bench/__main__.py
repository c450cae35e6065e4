"""`python -m tests.bench [--quick] [--only ROW ...]`: measure, print a table with the goals, write bench.json."""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, document, table
from tests.bench.measures import MEASURES, Bench
from tests.support.valkey import DURABLE, server_binary


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cpus": os.cpu_count(),
        "cpu": model[0] if model else platform.machine(),
        "python": platform.python_version(),
        "server": Path(server_binary()).name,
        "appendfsync": DURABLE["appendfsync"],
        "load_before": os.getloadavg()[0],
    }


def main() -> None:
    """Run the rows that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The figures of the README.")
    parser.add_argument("--quick", action="store_true", help="shorter runs: two or three minutes, less exact")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="only this row; may be repeated")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures are written")
    given = parser.parse_args()
    bench = Bench(quick=given.quick, partitions=given.partitions)
    figures: list[Figure] = []
    for name in given.only or MEASURES:
        begun = time.monotonic()
        figures += MEASURES[name](bench)
        sys.stderr.write(f"{name}: measured in {time.monotonic() - begun:.0f} s\n")
    sys.stdout.write(table(figures) + "\n")
    given.json.write_text(json.dumps(document(figures, machine()), indent=2) + "\n")


if __name__ == "__main__":
    main()
