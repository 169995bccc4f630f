"""``midge runtimes``: which of AWS's runtimes functions can have on this machine, and what is missing for the others."""

import click

from midge.cli.table import table
from midge.runtimes.catalogue import discover, node_modules_directory


@click.command()
def runtimes() -> None:
    """Show which runtimes this machine can run."""
    found = discover(python_preload=(), python_stock_transport=False, node_modules=node_modules_directory()).all()
    rows = [(r.name, "yes" if r.program else "no", r.version if r.program else r.missing) for r in found]
    click.echo(table(("runtime", "runs here", "details"), rows))
