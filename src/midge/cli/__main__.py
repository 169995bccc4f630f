"""``python -m midge.cli``: the same as the ``midge`` command."""

from midge.cli.main import main

main()
