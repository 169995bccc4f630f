"""``midge serve``: read the configuration, say what is about to run, run it.

It refuses an address that other machines can reach unless that is asked for: whoever reaches midge runs code here.
"""

import os
import sys
from pathlib import Path
from typing import Any

import click

from midge.cli.banner import banner
from midge.config import Config, ConfigError, load
from midge.sandbox.doctor import examine, isolates


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port of the AWS endpoint.  [default: 4566]")
@click.option("--data-dir", help="Where functions and logs are kept.  [default: .midge]")
@click.option("--allow-remote", is_flag=True, default=None, help="Accept an address that other machines can reach.")
@click.option(
    "--strict", is_flag=True, default=None, help="Refuse what would be kept without effect (docs/operations.md)."
)
@click.option(
    "--clock",
    type=click.Choice(["system", "virtual"]),
    help="With virtual, POST /_midge/clock/advance turns time on.  [default: system]",
)
def serve(config_file: Path | None, **options: Any) -> None:
    """Start midge and serve until interrupted."""
    given = {name: value for name, value in options.items() if value is not None}
    config = read_configuration(config_file, given)
    isolated = will_isolate(config)
    click.echo(banner(config, isolated=isolated), err=True)

    from midge.app import serving  # the other commands start without what only the server needs

    try:
        sys.exit(serving.run(config, isolated=isolated))
    except serving.StartError as error:
        raise click.ClickException(f"midge cannot start: {error}") from error


def will_isolate(config: Config) -> bool:
    """Whether function code will run in namespaces; a usage error if they were asked for and cannot be had."""
    if config.sandbox.kind == "process":
        return False
    isolated = isolates(examine())
    if config.sandbox.kind == "namespaces" and not isolated:
        raise click.UsageError("this machine does not grant what the namespaces sandbox needs; see midge doctor")
    return isolated


def read_configuration(config_file: Path | None, server: dict[str, Any]) -> Config:
    """The configuration with ``server``'s keys on top; what is wrong with it becomes a usage error."""
    try:
        return load(config_file, os.environ, {"server": server})
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
