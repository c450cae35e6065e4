import queue
import threading

from gateway.egress.lookup_threads import LookupThreads, Standing

WAIT_SECONDS = 5


class Bench:
    """Jobs that block until the test lets them end."""

    def __init__(self, size: int) -> None:
        self.threads = LookupThreads(size)
        self.started: queue.Queue[str] = queue.Queue()
        self.gates: dict[str, threading.Event] = {}

    def submit(self, name: str, standing: Standing) -> None:
        gate = self.gates[name] = threading.Event()

        def job() -> None:
            self.started.put(name)
            gate.wait(WAIT_SECONDS)

        self.threads.submit(job, standing)

    def next_started(self) -> str:
        return self.started.get(timeout=WAIT_SECONDS)

    def end(self, name: str, standing: Standing) -> None:
        self.gates[name].set()
        self.threads.finished(standing)

    def close(self) -> None:
        self.threads.close()
        for gate in self.gates.values():
            gate.set()


def test_slow_names_have_half_and_with_unknown_ones_three_quarters() -> None:
    bench = Bench(4)
    for name in ("slow1", "slow2", "slow3"):
        bench.submit(name, Standing.SLOW)
    assert {bench.next_started(), bench.next_started()} == {"slow1", "slow2"}
    bench.submit("unknown1", Standing.UNKNOWN)
    bench.submit("unknown2", Standing.UNKNOWN)
    assert bench.next_started() == "unknown1"
    bench.submit("quick1", Standing.QUICK)
    assert bench.next_started() == "quick1"
    bench.submit("quick2", Standing.QUICK)
    assert bench.started.empty()
    bench.end("unknown1", Standing.UNKNOWN)
    assert bench.next_started() == "quick2"
    bench.end("slow1", Standing.SLOW)
    assert bench.next_started() == "unknown2"
    bench.close()


def test_unknown_names_go_before_slow_ones() -> None:
    bench = Bench(2)
    bench.submit("slow1", Standing.SLOW)
    assert bench.next_started() == "slow1"
    bench.submit("slow2", Standing.SLOW)
    bench.submit("unknown", Standing.UNKNOWN)
    bench.end("slow1", Standing.SLOW)
    assert bench.next_started() == "unknown"
    bench.end("unknown", Standing.UNKNOWN)
    assert bench.next_started() == "slow2"
    bench.close()


def test_quick_names_may_fill_the_pool_and_the_next_waits() -> None:
    bench = Bench(2)
    for name in ("a", "b", "c"):
        bench.submit(name, Standing.QUICK)
    assert {bench.next_started(), bench.next_started()} == {"a", "b"}
    assert bench.started.empty()
    bench.end("a", Standing.QUICK)
    assert bench.next_started() == "c"
    bench.close()


def test_one_thread_serves_names_of_any_standing() -> None:
    bench = Bench(1)
    bench.submit("slow", Standing.SLOW)
    assert bench.next_started() == "slow"
    bench.close()


def test_a_thread_ends_with_its_job_and_waiting_jobs_are_dropped() -> None:
    before = set(threading.enumerate())
    bench = Bench(1)
    bench.submit("running", Standing.QUICK)
    bench.submit("dropped", Standing.QUICK)
    assert bench.next_started() == "running"
    own = set(threading.enumerate()) - before
    bench.close()
    bench.threads.finished(Standing.QUICK)
    for thread in own:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
    assert bench.started.empty()
