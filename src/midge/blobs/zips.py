"""Whether a zip may become a package, decided before anything is stored; and what unpacking it will make. Pure.

A zip is hostile until checked: names that climb or hide, links that lead out, devices, more or larger files than
allowed, sizes that lie. The check decompresses everything once, counting real bytes, and keeps nothing.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-function-zip.html
"""

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from midge.blobs.central_directory import more_entries_than
from midge.blobs.paths import PackagePath, UnsafePathError, check_link, parse_path
from midge.blobs.processors import processor_of
from midge.model.errors import ServiceError, invalid_parameter
from midge.model.limits import Limits

_CHUNK_BYTES = 64 * 1024
_ENCRYPTED = 0x1
_UNIX = 3
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipPlan:
    """What a checked zip unpacks to. ``files`` map a path to its entry, ``links`` a path to its target."""

    files: dict[PackagePath, zipfile.ZipInfo] = field(default_factory=dict[PackagePath, zipfile.ZipInfo])
    links: dict[PackagePath, str] = field(default_factory=dict[PackagePath, str])
    directories: set[PackagePath] = field(default_factory=set[PackagePath])
    processors: dict[PackagePath, str] = field(default_factory=dict[PackagePath, str])
    """What each program and shared library is built for; known when ``check_zip`` has read them."""


def is_executable(entry: zipfile.ZipInfo) -> bool:
    """Whether anybody may execute the file, by a zip that was made on Unix."""
    return entry.create_system == _UNIX and bool((entry.external_attr >> 16) & 0o111)


def unzipped_bytes(plan: ZipPlan) -> int:
    """The size of all files together, by the zip's central directory."""
    return sum(entry.file_size for entry in plan.files.values())


def extensions(plan: ZipPlan) -> tuple[str, ...]:
    """The names of the files, and links, directly in ``extensions``: what Lambda starts of /opt/extensions."""
    return tuple(
        sorted(path[1] for path in (*plan.files, *plan.links) if path[:1] == ("extensions",) and len(path) == 2)
    )


def check_zip(data: bytes, limits: Limits) -> ZipPlan:
    """Raise InvalidParameterValueException, in AWS's words where it has some, if ``data`` may not become a package."""
    if not data:
        raise invalid_parameter("Uploaded file must be a non-empty zip")
    try:
        if more_entries_than(data, limits.package_files):
            raise _unusable(f"it has more than {limits.package_files} entries")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            plan = plan_zip(archive, len(data), limits)
            _read_all(archive, plan, limits)
    except UnsafePathError as error:
        raise _unusable(str(error)) from error
    except _BROKEN as error:
        raise _unusable() from error
    return plan


def plan_zip(archive: zipfile.ZipFile, size_bytes: int, limits: Limits) -> ZipPlan:
    """What ``archive`` unpacks to. Raises UnsafePathError, BadZipFile or ServiceError."""
    entries = archive.infolist()
    if not entries:
        raise invalid_parameter("Uploaded file must be a non-empty zip")
    _check_sizes(entries, size_bytes, limits)
    plan = ZipPlan()
    for entry in entries:
        _add(plan, archive, entry, limits)
    for path in (*plan.files, *plan.links, *plan.directories):
        for length in range(1, len(path)):
            parent = path[:length]
            if parent in plan.files or parent in plan.links:
                raise UnsafePathError(f"the path {'/'.join(path)[:80]!a} lies below one that is no directory")
    for path, target in plan.links.items():
        check_link(path, target, plan.links, limits.package_path_bytes)
    return plan


def _check_sizes(entries: list[zipfile.ZipInfo], size_bytes: int, limits: Limits) -> None:
    if sum(entry.file_size for entry in entries) > limits.package_unzipped_bytes:
        raise too_large(limits)
    if sum(entry.compress_size for entry in entries) > size_bytes:
        raise UnsafePathError("its entries overlap")
    for entry in entries:
        if entry.file_size > limits.package_deflate_ratio * entry.compress_size + limits.package_deflate_ratio:
            raise UnsafePathError(f"the size of {entry.filename[:80]!a} cannot be true")


def _add(plan: ZipPlan, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits) -> None:
    # ``filename`` has been cut at a NUL by zipfile; ``orig_filename`` is what the archive says.
    path = parse_path(entry.orig_filename, limits.package_path_bytes)
    shown = ascii(entry.filename[:80])
    if entry.flag_bits & _ENCRYPTED:
        raise UnsafePathError(f"{shown} is encrypted")
    if entry.compress_type not in _METHODS:
        raise UnsafePathError(f"{shown} is compressed in another way than deflate")
    kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == _UNIX else 0
    if entry.orig_filename.endswith("/") or kind == stat.S_IFDIR:
        if path in plan.files or path in plan.links:
            raise UnsafePathError(f"the path {shown} occurs twice")
        if path:
            plan.directories.add(path)
        return
    if not path or path in plan.files or path in plan.links or path in plan.directories:
        raise UnsafePathError(f"the path {shown} occurs twice")
    if kind == stat.S_IFLNK:
        if entry.file_size > limits.package_path_bytes:
            raise UnsafePathError(f"the link {shown} has no usable target")
        plan.links[path] = archive.read(entry).decode("utf-8")
    elif kind in (0, stat.S_IFREG):
        plan.files[path] = entry
    else:
        raise UnsafePathError(f"{shown} is neither a file nor a directory nor a link")


def chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A file's content in pieces. Raises BadZipFile or zlib.error when content and entry disagree."""
    size = 0
    with archive.open(entry) as source:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            yield chunk
    if size != entry.file_size:
        raise zipfile.BadZipFile("an entry is shorter than it says")


def _read_all(archive: zipfile.ZipFile, plan: ZipPlan, limits: Limits) -> None:
    total = 0
    for path, entry in plan.files.items():
        beginning = b""
        for chunk in chunks(archive, entry):
            beginning = beginning or chunk
            total += len(chunk)
            if total > limits.package_unzipped_bytes:
                raise too_large(limits)
        if (processor := processor_of(beginning)) is not None:
            plan.processors[path] = processor


def too_large(limits: Limits) -> ServiceError:
    """AWS's refusal of a package that is too large once unpacked."""
    return invalid_parameter(f"Unzipped size must be smaller than {limits.package_unzipped_bytes} bytes")


def _unusable(reason: str | None = None) -> ServiceError:
    text = "Could not unzip uploaded file. Please check your file, then try to upload again."
    return invalid_parameter(text if reason is None else f"{text} midge refused it because {reason}.")
