"""Runs a command as an ordinary user of the machine who has entered a user namespace, as a rootless midge does.

``python rootless.py <command>``, as root. Directories that are closed to others and lie on the way to this interpreter
or to the tests are opened for the command, in a mount namespace of its own: the machine is not changed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from midge.sandbox import rootless
from midge.sandbox.inside import kernel

NOBODY = 65534
_CACHE = Path(os.environ.get("BUILD_CACHE", ""))
NEEDED = (
    Path(sys.base_prefix),
    Path(sys.prefix),
    Path(__file__).resolve().parents[2],
    *([_CACHE] if _CACHE.is_absolute() and _CACHE.is_dir() else []),
)


INNER = "MIDGE_TESTS_ARE_ROOTLESS"
"""Set in the run that ``run_tests`` starts."""
_RUN_SECONDS = 300


def run_tests(file: str, *arguments: str) -> None:
    """Run a file of tests as an ordinary user of the machine; fails unless they pass."""
    with tempfile.TemporaryDirectory(prefix="midge-rootless-") as home:
        os.chown(home, NOBODY, NOBODY)
        inner = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, file]
        result = subprocess.run(
            [sys.executable, __file__, *inner, "--basetemp", f"{home}/tmp"],
            env={
                "PATH": f"{sys.base_prefix}/bin:{os.environ['PATH']}",
                "HOME": home,
                INNER: "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=home,
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


def closed_ancestor(path: Path) -> Path | None:
    """The first directory on the way to ``path`` that other users may not pass."""
    for directory in reversed((path, *path.parents)):
        if not directory.stat().st_mode & 0o001:
            return directory
    return None


def open_the_way() -> None:
    """Lay, over each closed directory, one that holds nothing but what is needed of it."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    closed: dict[Path, dict[Path, int]] = {}
    for path in NEEDED:
        directory = closed_ancestor(path)
        if directory is not None:
            closed.setdefault(directory, {})[path] = kernel.open_tree(str(path))
    for directory, trees in closed.items():
        kernel.mount("tmpfs", str(directory), "tmpfs", 0, "mode=755,size=1m")
        for path, tree in trees.items():
            path.mkdir(parents=True, exist_ok=True)
            kernel.move_mount(tree, str(path))


def main() -> None:
    open_the_way()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    rootless.enter()
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
