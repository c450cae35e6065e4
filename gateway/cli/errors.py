"""The one error of the command line: a line for the person, with the way out."""

from typing import IO, Any

import click


class CommandFailed(click.ClickException):
    """Ends the command with exit code 1 after one line: what is in the way, and the way out."""

    code = "command_failed"

    def show(self, file: IO[Any] | None = None) -> None:
        """Without click's capitalised `Error:`; to standard error unless `file` is given."""
        click.echo(f"hookline: {self.message}", file=file, err=file is None)
