import pytest

from dispatcher.jobs import runtime
from dispatcher.jobs.timing import NORMAL
from gateway.settings import Settings, SettingsError


def test_a_worker_needs_the_address_of_the_store() -> None:
    with pytest.raises(SettingsError, match="HOOKLINE_REDIS_URL is not set"):
        runtime.make(Settings(), NORMAL)


def test_jobs_work_with_what_the_process_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_current", None)
    given = runtime.make(Settings(redis_url="redis://127.0.0.1:1"), NORMAL._replace(slice=3.0))
    runtime.use(given)
    assert runtime.current() is given
    assert not given.stopping.is_set()


def test_under_another_worker_the_environment_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_current", None)
    monkeypatch.setenv("HOOKLINE_REDIS_URL", "redis://127.0.0.1:2")
    found = runtime.current()
    assert (found.url, found.timing) == ("redis://127.0.0.1:2", NORMAL)
    assert runtime.current() is found
