"""What programs and libraries are built for, and which packages this machine refuses."""

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.blobs.paths import PackagePath
from midge.blobs.processors import foreign_file, processor_of


def elf(machine: int, *, kind: int = 3, big: bool = False) -> bytes:
    """The beginning of an ELF file."""
    return (
        b"\x7fELF" + bytes([2, 2 if big else 1, 1, 0]) + bytes(8) + struct.pack(">HH" if big else "<HH", kind, machine)
    )


@pytest.mark.parametrize(
    ("beginning", "processor"),
    [
        (elf(62), "x86_64"),
        (elf(62, kind=2), "x86_64"),
        (elf(183), "aarch64"),
        (elf(22, big=True), "s390x"),
        (elf(999), "processor 999"),
        (elf(183, kind=1), None),
        (elf(183)[:19], None),
        (b"#!/bin/sh\n" + bytes(20), None),
        (b"", None),
    ],
)
def test_the_processor_of_a_file(beginning: bytes, processor: str | None) -> None:
    """Programs and shared objects tell their processor; object files, scripts and fragments do not."""
    assert processor_of(beginning) == processor


def test_this_interpreter_runs_on_this_machine() -> None:
    """The interpreter of these tests is built for the processor that the kernel names."""
    import platform

    with Path(sys.executable).resolve().open("rb") as file:
        assert processor_of(file.read(64)) == platform.machine()


@given(st.binary(max_size=64))
def test_any_file_can_be_looked_at(beginning: bytes) -> None:
    """No content makes the look fail."""
    assert processor_of(b"\x7fELF" + beginning) is None or len(beginning) >= 16


def paths(**processors: str) -> dict[PackagePath, str]:
    return {tuple(name.split("/")): processor for name, processor in processors.items()}


@pytest.mark.parametrize(
    ("files", "refused"),
    [
        ({}, None),
        ({"bootstrap": "x86_64"}, None),
        ({"bootstrap": "aarch64"}, ("bootstrap", "arm64")),
        ({"lib/one.so": "x86_64", "lib/two.so": "aarch64"}, ("lib/two.so", "arm64")),
        ({"b.so": "arm", "a.so": "i386"}, ("a.so", "i386")),
        (
            {"prebuilds/linux-x64/node.napi.node": "x86_64", "prebuilds/linux-arm64/node.napi.armv8.node": "aarch64"},
            None,
        ),
        (
            {
                "node_modules/@img/sharp-linux-x64/lib/sharp-linux-x64.node": "x86_64",
                "node_modules/@img/sharp-linuxmusl-arm64/lib/sharp-linuxmusl-arm64.node": "aarch64",
                "node_modules/@img/sharp-linux-arm64/lib/sharp-linux-arm64.node": "aarch64",
            },
            None,
        ),
        ({"_c.cpython-311-x86_64-linux-gnu.so": "x86_64", "_c.cpython-311-aarch64-linux-gnu.so": "aarch64"}, None),
        ({"jni/lib.linux-x86_64.so": "x86_64", "jni/lib.linux-aarch64.so": "aarch64"}, None),
        ({"node_modules/@esbuild/linux-arm64/bin/esbuild": "aarch64"},
         ("node_modules/@esbuild/linux-arm64/bin/esbuild", "arm64")),
        ({"arm/tool": "arm", "armoury/tool": "x86_64"}, ("arm/tool", "arm")),
    ],
)  # fmt: skip
def test_what_is_refused(files: dict[str, str], refused: tuple[str, str] | None) -> None:
    """A file of another processor is refused by name, unless the package has the same for this one."""
    assert foreign_file(paths(**files), "x86_64") == refused
