"""What Maven and NuGet are asked for, and whether what Maven brought is what was pinned."""

import hashlib
import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

_JNI_MACHINES = {"x86_64": "x86_64", "aarch64": "aarch_64"}


class ArchiveError(Exception):
    """An archive is missing, is not pinned, or is not what was pinned."""


def read_pins(file: Path) -> dict[str, str]:
    """``group:artifact:version`` to SHA-256, of a file of pins."""
    lines = (line.split() for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    return {coordinates: digest for coordinates, digest in lines}  # noqa: C416 (each line has exactly two words)


def pom(pins: Mapping[str, str]) -> str:
    """A Maven project that has exactly the pinned archives as its dependencies."""
    parts: list[str] = []
    for coordinates in pins:
        group, artifact, version = (escape(part) for part in coordinates.split(":"))
        parts.append(
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
            "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>"
        )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>midge</groupId><artifactId>client</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{''.join(parts)}</dependencies></project>\n"
    )


def check(directory: Path, pins: Mapping[str, str]) -> None:
    """Raise ArchiveError unless ``directory`` has the pinned archives, each with its digest, and nothing else."""
    wanted = {f"{artifact}-{version}.jar": pins[f"{group}:{artifact}:{version}"]
              for group, artifact, version in (coordinates.split(":") for coordinates in pins)}  # fmt: skip
    found = {path.name: path for path in directory.iterdir()}
    if set(found) != set(wanted):
        raise ArchiveError(f"Maven brought {sorted(found)}, and not {sorted(wanted)}")
    for name, digest in wanted.items():
        if hashlib.sha256(found[name].read_bytes()).hexdigest() != digest:
            raise ArchiveError(f"{name} is not what midge was tested with: its SHA-256 differs")


def unpack_jni(directory: Path) -> None:
    """Put the native part of AWS's client for Java beside it, so that no environment has to unpack it."""
    name = f"jni/libaws-lambda-jni.linux-{_JNI_MACHINES.get(platform.machine(), platform.machine())}.so"
    archive = next(directory.glob("aws-lambda-java-runtime-interface-client-*.jar"))
    with zipfile.ZipFile(archive) as opened:
        if name in opened.namelist():
            (directory / "jni").mkdir()
            (directory / "jni").chmod(0o755)
            (directory / name).write_bytes(opened.read(name))
            (directory / name).chmod(0o644)


def csproj(package: str, version: str, runtime: str) -> str:
    """A .NET project that publishes exactly this version of a package, for the framework of ``runtime``."""
    framework = runtime.replace("dotnet", "net") + ".0"
    return (
        '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup>'
        f"<TargetFramework>{framework}</TargetFramework><EnableDefaultItems>false</EnableDefaultItems>"
        "<GenerateRuntimeConfigurationFiles>true</GenerateRuntimeConfigurationFiles></PropertyGroup>"
        f'<ItemGroup><PackageReference Include="{escape(package)}" Version="[{escape(version)}]" /></ItemGroup>'
        "</Project>\n"
    )
