"""Where a path of an image leads, on the machine: links are followed as they will be inside, where the image is the root.

Safe as long as nobody else changes the directory meanwhile: it is midge's own, and read-only once it is whole.
"""

import stat
from pathlib import Path

_MOST_LINKS = 40
"""As many as the kernel follows."""


class PathError(Exception):
    """A path leads nowhere: through a file, or round in circles."""


def place_of(root: Path, path: str, *, follow_last: bool = True) -> Path:
    """Where ``path``, seen from inside ``root``, is; what is missing on the way is taken for a directory to come.

    With ``follow_last`` a link that the whole path leads to is followed as well. Raises PathError.
    """
    ahead = [part for part in path.split("/") if part not in {"", "."}][::-1]
    place: list[str] = []
    links = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            del place[-1:]
            continue
        if part in {"", "."}:
            continue
        here = root.joinpath(*place, part)
        try:
            mode = here.lstat().st_mode
        except FileNotFoundError:
            place.append(part)
            continue
        except OSError as error:  # a file on the way, or a name that is too long
            raise PathError(f"{path}: {error.strerror}") from error
        if stat.S_ISLNK(mode) and (ahead or follow_last):
            links += 1
            if links > _MOST_LINKS:
                raise PathError(f"{path}: too many levels of symbolic links")
            target = str(here.readlink())
            if target.startswith("/"):
                place.clear()
            ahead += target.split("/")[::-1]
        elif ahead and not stat.S_ISDIR(mode):
            raise PathError(f"{path}: not a directory")
        else:
            place.append(part)
    return root.joinpath(*place)
