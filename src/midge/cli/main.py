"""The ``midge`` command: collects its subcommands. It knows none of their options."""

import click

import midge
from midge.cli.bill import bill
from midge.cli.doctor import doctor
from midge.cli.logs import logs
from midge.cli.runtimes import runtimes
from midge.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(midge.__version__, message="midge %(version)s")
def main() -> None:
    """AWS Lambda on your own machines."""


main.add_command(serve)
main.add_command(doctor)
main.add_command(runtimes)
main.add_command(logs)
main.add_command(bill)
