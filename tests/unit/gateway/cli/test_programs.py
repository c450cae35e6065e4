"""What the children start with."""

import sys
from pathlib import Path

from gateway import settings as configuration
from gateway.cli import programs

STORE = programs.Store("unix:///s", "k1:abc")


def test_the_environment_names_everything_that_follows_from_the_store() -> None:
    settings = configuration.load({"HOOKLINE_DATA": "/data", "HOOKLINE_PORT": "9999"})
    env = programs.environment({"PATH": "/bin", "HOOKLINE_PORT": "9999", "HOOKLINE_REDIS_URL": ""}, settings, STORE)
    assert env == {
        "PATH": "/bin",
        "PYTHONUNBUFFERED": "1",
        "HOOKLINE_PORT": "9999",
        "HOOKLINE_REDIS_URL": "unix:///s",
        "HOOKLINE_DATA": "/data",
        "HOOKLINE_PARTITIONS": "4",
        "HOOKLINE_ENCRYPTION_KEYS": "k1:abc",
    }


def test_a_child_reads_the_same_settings_back() -> None:
    given = {"HOOKLINE_REDIS_URL": "redis://h", "HOOKLINE_EGRESS_ALLOW": "10.0.0.0/8", "HOOKLINE_RETENTION": "1d"}
    settings = configuration.load(given)
    child = configuration.load(programs.environment(given, settings, programs.Store("redis://h", None)))
    assert child.partition_count == settings.partition_count == 16
    assert (child.egress_allow, child.retention, child.redis_url) == (("10.0.0.0/8",), 86_400, "redis://h")
    assert child.encryption_keys is None


def test_the_data_folder_is_absolute_for_the_children() -> None:
    env = programs.environment({}, configuration.load({}), STORE)
    assert Path(env["HOOKLINE_DATA"]) == Path.cwd() / ".hookline"


def test_one_program_for_each_dispatcher() -> None:
    settings = configuration.load({"HOOKLINE_DISPATCHERS": "2"})
    started = programs.dispatchers(settings, {})
    assert [p.name for p in started] == ["dispatcher-1", "dispatcher-2"]
    assert started[0].command == (sys.executable, "-m", "dispatcher")
    assert started[0].grace_seconds > settings.deadline_seconds + 2


def test_gateway_and_worker_are_modules() -> None:
    assert programs.gateway(configuration.load({}), {}).command[1:] == ("-m", "gateway.api.server")
    assert programs.worker({}).command[1:] == ("-m", "dispatcher.jobs.worker")
    assert programs.worker({}).grace_seconds > programs.SLICE_SECONDS
