"""The data directory's lock and its secret."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from midge.store.errors import StoreUnavailableError
from midge.store.lock import DirectoryLock
from midge.store.secret import SECRET_BYTES, read_or_create_secret

HOLD = """
import sys, time
from pathlib import Path
from midge.store.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_directory_has_one_holder(tmp_path: Path) -> None:
    """A second lock on the same directory is refused, names the holder, and succeeds after the first is closed."""
    lock = DirectoryLock(tmp_path / "data")
    with pytest.raises(StoreUnavailableError, match=f"process {os.getpid()}"):
        DirectoryLock(tmp_path / "data")
    lock.close()
    lock.close()
    DirectoryLock(tmp_path / "data").close()


def test_a_killed_holder_frees_the_directory(tmp_path: Path) -> None:
    """The lock of a process that was killed is free at once."""
    argv = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreUnavailableError):
            DirectoryLock(tmp_path)
        holder.kill()
        holder.wait()
    DirectoryLock(tmp_path).close()


def test_the_secret_stays_and_is_private(tmp_path: Path) -> None:
    """The secret is made once, is the same afterwards, and only its owner may read it."""
    path = tmp_path / "secret"
    secret = read_or_create_secret(path)
    assert len(secret) == SECRET_BYTES
    assert read_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_create_secret(tmp_path / "other") != secret


def test_a_damaged_secret_is_not_used(tmp_path: Path) -> None:
    """A file of the wrong length is an error, not a weak key."""
    path = tmp_path / "secret"
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="does not hold a secret"):
        read_or_create_secret(path)
