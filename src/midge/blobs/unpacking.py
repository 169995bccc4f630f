"""Writes checked zips into a directory, one laid over the other: plain files, directories and links, nothing else. Blocking.

Files are created anew and never through a link (links are made last); modes are 0644, or 0755 for executables and
directories, whatever the zip says; everything belongs to midge. Real bytes are counted on the way.
"""

import calendar
import contextlib
import io
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from midge.blobs.merging import MergedPlan, merge
from midge.blobs.zips import chunks, is_executable, plan_zip, too_large
from midge.model.limits import Limits

_EARLIEST = calendar.timegm((1980, 1, 1, 0, 0, 0))


def unpack(zips: Sequence[bytes], place: Path, limits: Limits) -> None:
    """Unpack ``zips``, laid over each other in order, into ``place``, which must not exist.

    Raises what ``check_zip`` and ``merge`` raise inside, and OSError.
    """
    place.mkdir(mode=0o700)
    try:
        with contextlib.ExitStack() as stack:
            archives = [stack.enter_context(zipfile.ZipFile(io.BytesIO(data))) for data in zips]
            plans = [plan_zip(archive, len(data), limits) for archive, data in zip(archives, zips, strict=True)]
            plan = merge(plans, limits.package_path_bytes)
            for path in plan.directories:
                directory = place.joinpath(*path)
                directory.mkdir()
                directory.chmod(0o755)  # whatever the umask is
            _write_files(archives, plan, place, limits)
        for path, target in plan.links.items():
            place.joinpath(*path).symlink_to(target)
        place.chmod(0o755)
    except BaseException:
        remove_tree(place)
        raise


def _write_files(archives: Sequence[zipfile.ZipFile], plan: MergedPlan, place: Path, limits: Limits) -> None:
    total = 0
    for path, (number, entry) in plan.files.items():
        target = place.joinpath(*path)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks(archives[number], entry):
                total += len(chunk)
                if total > limits.package_unzipped_bytes:
                    raise too_large(limits)
                file.write(chunk)
            os.fchmod(file.fileno(), 0o755 if is_executable(entry) else 0o644)
        modified = _modified(entry)
        os.utime(target, (modified, modified))


def _modified(entry: zipfile.ZipInfo) -> int:
    """The entry's time, read as UTC: byte code in a package is valid only beside a source of the right age."""
    try:
        return max(calendar.timegm(entry.date_time), _EARLIEST)
    except ValueError:
        return _EARLIEST


def remove_tree(place: Path) -> None:
    """Remove a directory with all that is in it; harmless if it is not there."""
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        return
