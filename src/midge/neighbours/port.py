"""The Neighbour port: another AWS service, or many behind one address, that answers beside midge.

Implementation: ``moto``, a process of midge's own. One at a configured address needs no more than to give it.
"""

from typing import Protocol


class Neighbour(Protocol):
    """Something on the network that speaks an AWS service's HTTP."""

    async def address(self) -> tuple[str, int]:
        """Host and port, after making sure that it answers; may start it.

        Raises ``ServiceError`` ServiceUnavailableException when it cannot be had.
        """
        ...

    async def close(self) -> None:
        """Stop what ``address`` has started. After it ``address`` raises."""
        ...
