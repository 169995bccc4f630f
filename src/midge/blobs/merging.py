"""Several checked zips laid over each other: which file of which zip ends where. Pure.

A later zip wins, name by name: its file, link or directory takes the place of whatever an earlier one has there, and
nothing is ever followed through a link. So a file of one zip is never written through a link of another.
Source: https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html ("Lambda extracts the layer contents ...")
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from midge.blobs.paths import PackagePath, check_link
from midge.blobs.zips import ZipPlan

_Leaf = tuple[int, zipfile.ZipInfo | str]
"""The zip that it comes from; an entry or, of a link, the target."""


@dataclass(slots=True)
class _Directory:
    names: "dict[str, _Directory | _Leaf]" = field(default_factory=dict[str, "_Directory | _Leaf"])

    def below(self, path: PackagePath) -> "_Directory":
        """The directory at ``path``, made where there is none; what lies in its way is gone."""
        place = self
        for name in path:
            found = place.names.get(name)
            if not isinstance(found, _Directory):
                found = place.names[name] = _Directory()
            place = found
        return place


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedPlan:
    """What zips unpack to together. A file is the number of its zip and the entry there, a link its target."""

    directories: list[PackagePath] = field(default_factory=list[PackagePath])
    """Every one, each after the one that it lies in."""
    files: dict[PackagePath, tuple[int, zipfile.ZipInfo]] = field(
        default_factory=dict[PackagePath, tuple[int, zipfile.ZipInfo]]
    )
    links: dict[PackagePath, str] = field(default_factory=dict[PackagePath, str])


def merge(plans: Sequence[ZipPlan], path_bytes: int) -> MergedPlan:
    """Lay ``plans`` over each other, the first one lowest.

    Raises UnsafePathError when a link that stays inside in its own zip leads out through another zip's links.
    """
    root = _Directory()
    for number, plan in enumerate(plans):
        for path in plan.directories:
            root.below(path)
        for path, what in (*plan.files.items(), *plan.links.items()):
            root.below(path[:-1]).names[path[-1]] = (number, what)
    merged = _flatten(root)
    for path, target in merged.links.items():
        check_link(path, target, merged.links, path_bytes)
    return merged


def _flatten(root: _Directory) -> MergedPlan:
    merged = MergedPlan()
    ahead: list[tuple[PackagePath, _Directory]] = [((), root)]
    while ahead:
        at, directory = ahead.pop()
        if at:
            merged.directories.append(at)
        for name, found in directory.names.items():
            path = (*at, name)
            if isinstance(found, _Directory):
                ahead.append((path, found))
                continue
            number, what = found
            if isinstance(what, str):
                merged.links[path] = what
            else:
                merged.files[path] = (number, what)
    return merged
