"""Resources beside functions, versions and aliases: everything that is one record under a name.

A function URL, a resource policy, an event source mapping or a code signing configuration is such a record: the store
keeps all of them in the same way and knows of each only its place. Pure.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a resource is found, within its kind.

    ``owner`` is the function that a resource is attached to, and ``name`` then the qualifier, empty for the function as
    a whole. Resources that stand alone have no owner, and ``name`` is what tells them apart.
    """

    account: str
    region: str
    owner: str = ""
    name: str = ""


class Resource(Protocol):
    """A frozen dataclass that knows its place."""

    @property
    def place(self) -> Place: ...
