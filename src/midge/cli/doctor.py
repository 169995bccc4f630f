"""``midge doctor``: what this machine offers to isolate function code with, and what falls back."""

import click

from midge.cli.table import table
from midge.sandbox.doctor import examine, isolates


@click.command()
def doctor() -> None:
    """Show what this machine can isolate functions with."""
    findings = examine()
    rows = [(finding.name, "yes" if finding.works else "no", finding.detail) for finding in findings]
    click.echo(table(("needed of the machine", "there", "details"), rows))
    if isolates(findings):
        click.echo("Functions run isolated, in namespaces of their own.")
    else:
        click.echo("Functions run as plain processes here: they are NOT isolated from this machine.")
