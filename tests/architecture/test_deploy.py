"""What an operator copies says what the code says."""

import dataclasses
import re
from pathlib import Path

from gateway import settings
from gateway.store import embedded
from tests.architecture import source

EXAMPLE = Path("deploy/env.example")


def example() -> dict[str, str]:
    """The file as a shell would read it: comments and blank lines say nothing."""
    lines = [line for line in source.text(EXAMPLE).splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_env_example_names_every_setting_in_the_order_of_the_struct() -> None:
    names = [settings.PREFIX + field.name.upper() for field in dataclasses.fields(settings.Settings)]
    assert list(example()) == names


def test_env_example_is_the_defaults() -> None:
    assert settings.load(example()) == settings.Settings()
    for name, value in example().items():
        default = getattr(settings.Settings(), name.removeprefix(settings.PREFIX).lower())
        assert (value == "") == (default in (None, ())), f"{name} hides its default"


def test_every_setting_is_explained() -> None:
    blocks = re.split(r"\n\n+", source.text(EXAMPLE).strip())[1:]
    assert all(block.startswith("# ") for block in blocks)


def directives(path: Path) -> dict[str, str]:
    lines = [line.split(maxsplit=1) for line in source.text(path).splitlines() if line and not line.startswith("#")]
    return {name: value.strip('"') for name, value in lines}


def test_redis_conf_is_as_durable_as_the_embedded_store() -> None:
    given = directives(Path("deploy/redis.conf"))
    assert {name: given.get(name) for name in embedded.DURABLE} == dict(embedded.DURABLE)
    assert re.fullmatch(r"[0-9]+(mb|gb)", given["maxmemory"])


def test_compose_runs_every_process_on_that_configuration() -> None:
    text = source.text(Path("deploy/compose.yaml"))
    for word in ("gateway", "dispatcher", "worker", "valkey", "redis.conf", "HOOKLINE_ENCRYPTION_KEYS"):
        assert word in text


def test_the_image_does_not_run_as_root() -> None:
    lines = source.text(Path("deploy/Dockerfile")).splitlines()
    assert sum(line.startswith("FROM ") for line in lines) > 1
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"root", "0"}
