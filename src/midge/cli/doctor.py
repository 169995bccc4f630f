"""``midge doctor``: what this machine offers to isolate functions with, and what midge does without what is missing."""

import sys

import click

from midge.cli.table import table
from midge.sandbox.doctor import Finding, examine, isolates


@click.command()
def doctor() -> None:
    """Examine this machine. Ends with 1 if functions could not be isolated on it."""
    findings = examine()
    click.echo(table(("", "", "found"), [(finding.name, _verdict(finding), finding.detail) for finding in findings]))
    click.echo()
    if isolates(findings):
        click.echo("Functions are isolated: midge serve uses the namespaces sandbox.")
        return
    click.echo("Functions would NOT be isolated: without what is marked MISSING, midge serve runs plain processes.")
    sys.exit(1)


def _verdict(finding: Finding) -> str:
    if finding.works:
        return "yes"
    return "MISSING" if finding.needed else "no"
