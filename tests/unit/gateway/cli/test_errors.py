"""The one line that ends a command."""

import click
import pytest

from gateway.cli.errors import CommandFailed


def test_it_is_one_line_on_standard_error_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def broken() -> None:
        raise CommandFailed("port 8080 is taken: set HOOKLINE_PORT to a free one")

    with pytest.raises(SystemExit) as ended:
        broken.main([])
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "hookline: port 8080 is taken: set HOOKLINE_PORT to a free one\n")
