"""What an environment of a function that is a container image starts with.

Each of entry point, command and working directory is the function's own where it sets one, else the image's.
Source: https://docs.aws.amazon.com/lambda/latest/dg/images-create.html ("Container image settings")
"""

import os
from pathlib import Path

from midge.images.paths import PathError, place_of
from midge.model.functions import FunctionVersion, ImageConfig
from midge.sandbox.port import RootImage


def root_image(version: FunctionVersion, root: Path) -> RootImage | None:
    """The image of ``version``, unpacked at ``root``; None for a function that is none."""
    image, own = version.image, version.image_config or ImageConfig()
    if image is None:
        return None
    return RootImage(
        root=root,
        command=(own.entry_point or image.entry_point) + (own.command or image.command),
        working_directory=own.working_directory or image.working_directory,
        environment=image.environment,
    )


def launch_line(version: FunctionVersion, error: str) -> bytes:
    """The line about an image that could not be started, as AWS's log has it; it shows what the function itself sets."""
    own = version.image_config or ImageConfig()
    entry_point, command = (",".join(part or ()) for part in (own.entry_point, own.command))
    return (
        f"IMAGE\tLaunch error: {error}\tEntrypoint: [{entry_point}]\tCmd: [{command}]\t"
        f"WorkingDir: [{own.working_directory or ''}]\n"
    ).encode("utf-8", "replace")


def image_extensions(image: RootImage | None) -> tuple[str, ...]:
    """The names of the files in an image's /opt/extensions, in order, wherever that leads inside. Blocking."""
    if image is None:
        return ()
    try:
        with os.scandir(place_of(image.root, "/opt/extensions")) as entries:
            return tuple(sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)))
    except (PathError, FileNotFoundError, NotADirectoryError):
        return ()
