"""Which processor the programs and shared libraries of a package are built for, and whether this one runs them. Pure.

Reads the beginning of ELF files (man 5 elf). Packages that carry a library for several processors, as those of npm and
PyPI do, are fine as long as this machine's is among them.
"""

import re
import struct
from collections.abc import Mapping

from midge.blobs.paths import PackagePath

_MAGIC = b"\x7fELF"
_HEADER_BYTES = 20
_BIG_ENDIAN = 2
_RUNNABLE = (2, 3)
"""Programs and shared objects; not what a compiler leaves for the linker."""
_MACHINES = {3: "i386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64",
             243: "riscv64", 258: "loongarch64"}  # fmt: skip
_SHOWN = {"aarch64": "arm64"}
"""AWS's word for it."""
_NAMES_OF_PROCESSORS = re.compile(
    r"[-_.]?(?<![a-z0-9])(x86[-_]64|amd64|x64|i[36]86|ia32|x86|aarch64|arm64|armv\d+[a-z]*|armhf|arm|ppc64le|ppc64|s390x|"
    r"riscv64(gc)?|loong(arch)?64|mips(64)?(el)?|linux(musl)?|musl|glibc|gnu(eabi(hf)?)?|v[678])(?![a-z0-9])"
)


def processor_of(beginning: bytes) -> str | None:
    """The processor, by the kernel's name, of the program or library that begins so; None of any other file."""
    if len(beginning) < _HEADER_BYTES or not beginning.startswith(_MAGIC):
        return None
    kind, machine = struct.unpack_from(">HH" if beginning[5] == _BIG_ENDIAN else "<HH", beginning, 16)
    return _MACHINES.get(machine, f"processor {machine}") if kind in _RUNNABLE else None


def _place(path: PackagePath) -> str:
    """The path without what it says of processors: the same for a library's builds for different ones."""
    return _NAMES_OF_PROCESSORS.sub("", "/".join(path).lower())


def foreign_file(processors: Mapping[PackagePath, str], own: str) -> tuple[str, str] | None:
    """The first file that ``own`` cannot run and that has no counterpart which it can: its name and its processor."""
    native = {_place(path) for path, processor in processors.items() if processor == own}
    for path, processor in sorted(processors.items()):
        if processor != own and _place(path) not in native:
            return "/".join(path), _SHOWN.get(processor, processor)
    return None
