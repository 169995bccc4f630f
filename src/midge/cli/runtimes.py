"""``midge runtimes``: which of AWS's runtimes functions can have on this machine, and how to get the others."""

from pathlib import Path

import click

from midge.cli.serve import read_configuration
from midge.cli.table import table
from midge.config import Config
from midge.runtimes.catalogue import discover, node_modules_directory


@click.group(invoke_without_command=True)
@click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file.")
@click.option("--data-dir", help="Where functions and logs are kept.  [default: .midge]")
@click.pass_context
def runtimes(context: click.Context, config_file: Path | None, data_dir: str | None) -> None:
    """Show which runtimes this machine can run, and what is missing for the others."""
    config = read_configuration(config_file, {"data_dir": data_dir} if data_dir else {})
    context.obj = config
    if context.invoked_subcommand is None:
        click.echo(_listing(config))


def _listing(config: Config) -> str:
    found = discover(
        python_preload=(),
        python_stock_transport=config.python.transport == "stock",
        node_modules=node_modules_directory(),
        places=config.places,
    ).all()
    rows = [(r.name, "yes" if r.program else "no", r.version if r.program else r.missing) for r in found]
    return table(("runtime", "runs here", "details"), rows)


@runtimes.command()
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def add(config: Config, names: tuple[str, ...]) -> None:
    """Install what the runtimes NAMES lack, into midge's own directory; a running midge finds it there."""
    from midge.runtimes.adding import Adder, AddError

    adder = Adder(
        places=config.places,
        step_seconds=config.limits.runtime_install_seconds,
        say=lambda text: click.echo(text, err=True),
    )
    for name in names:
        try:
            adder.add(name)
        except AddError as error:
            raise click.ClickException(f"{name}: {error}") from error
