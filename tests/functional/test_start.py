"""What ``midge serve`` says when it cannot start."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.functional.server import Midge, clean_environment


def serve(port: int, data_dir: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "midge.cli", "serve", "--port", str(port), "--data-dir", str(data_dir)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=clean_environment(), check=False)


def test_a_taken_address_is_said_in_one_line(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Who starts a second midge at the same address reads so, without a traceback."""
    found = serve(start_midge().port, tmp_path / "other")
    assert found.returncode == 1
    assert "midge cannot start" in found.stderr
    assert "address already in use" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_data_directory_in_use_is_said_in_one_line(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Who starts a second midge on the same data reads which process has it; the first goes on."""
    data = tmp_path / "data"
    first = start_midge(data)
    found = serve(first.port + 1, data)
    assert found.returncode == 1
    assert f"is in use by another midge (process {first.process.pid})" in found.stderr
    assert "Traceback" not in found.stderr
    assert first.client().list_functions()["Functions"] == []
