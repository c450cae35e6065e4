"""A worker of operator jobs in a hurry: `python -m tests.support.quick_worker`, with times that a test can wait for."""

import sys

from dispatcher.jobs import worker
from dispatcher.jobs.timing import Timing

QUICK = Timing(slice=1.0, fair=0.2, beat=0.1, stale=1.0, watch=0.2, retry=0.1)

if __name__ == "__main__":
    sys.exit(worker.main(QUICK))
