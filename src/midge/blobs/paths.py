"""Which paths and links a package may hold: everything must stay below the directory it is unpacked into. Pure.

A path is a tuple of names. A link's target is followed through the package's own links, component by component as the
kernel would, and may at no step leave it.
"""

from collections.abc import Mapping

PackagePath = tuple[str, ...]
_NAME_BYTES = 255
_LINK_HOPS = 40


class UnsafePathError(ValueError):
    """The text says what is wrong with which path."""


def parse_path(name: str, limit_bytes: int) -> PackagePath:
    """An entry's name as a path below the package; empty for the package itself.

    "." and empty components are dropped. Raises UnsafePathError for absolute and climbing paths, backslashes, NUL, and what
    no file system takes.
    """
    shown = ascii(name[:80])
    if "\0" in name:
        raise UnsafePathError(f"the path {shown} contains a NUL")
    if "\\" in name:
        raise UnsafePathError(f"the path {shown} contains a backslash")
    if name.startswith("/"):
        raise UnsafePathError(f"the path {shown} is absolute")
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnsafePathError(f"the path {shown} is not text") from error
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise UnsafePathError(f"the path {shown} leaves the package")
    if len(encoded) > limit_bytes or any(len(part.encode("utf-8")) > _NAME_BYTES for part in parts):
        raise UnsafePathError(f"the path {shown} is too long")
    return parts


def check_link(link: PackagePath, target: str, links: Mapping[PackagePath, str], limit_bytes: int) -> None:
    """Raise UnsafePathError unless ``link``, pointing at ``target``, leads to a place inside the package (there or not).

    ``links`` are all links of the package with their targets.
    """
    shown = f"the link {'/'.join(link)[:80]!a}"
    if not target or "\0" in target or "\\" in target or len(target.encode("utf-8", "surrogatepass")) > limit_bytes:
        raise UnsafePathError(f"{shown} has no usable target")
    at: list[str] = list(link[:-1])
    ahead = _steps(target, shown)
    hops = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            if not at:
                raise UnsafePathError(f"{shown} leads out of the package")
            at.pop()
            continue
        at.append(part)
        further = links.get(tuple(at))
        if further is not None:
            hops += 1
            if hops > _LINK_HOPS:
                raise UnsafePathError(f"{shown} leads in circles")
            at.pop()
            ahead.extend(_steps(further, shown))


def _steps(target: str, shown: str) -> list[str]:
    """The components of a target, the first one last."""
    if target.startswith("/"):
        raise UnsafePathError(f"{shown} has an absolute target")
    return [part for part in reversed(target.split("/")) if part not in ("", ".")]
