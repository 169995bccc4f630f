"""Finds Java and says how environments of it come to life.

The JDK appears at /var/lang, AWS's client in /var/runtime/lib. Function code is loaded by that client, which looks in
/var/task, /var/task/lib and /opt/java/lib: https://docs.aws.amazon.com/lambda/latest/dg/java-package.html
"""

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from midge.runtimes import base
from midge.runtimes.places import Places, runs
from midge.runtimes.port import Runtime
from midge.sandbox.program import INSIDE, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, Layout, Program

RUNTIMES = {
    "java8.al2": "8",
    "java8.al2023": "8",
    "java11": "11",
    "java11.al2023": "11",
    "java17": "17",
    "java17.al2023": "17",
    "java21": "21",
    "java25": "25",
}
"""AWS's name to the version of Java. Those that differ in the operating system alone are the same here."""
_FILES = Path(__file__).parent
_LANGUAGE = "/var/lang"
_LIBRARIES = f"{RUNTIME_DIRECTORY}/lib"
_JVMS = (Path("/usr/lib/jvm"), Path("/usr/java"), Path.home() / ".sdkman/candidates/java", Path.home() / ".jdks")
_VERSION = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)([^"]*)"', re.MULTILINE)
_JNI_MACHINES = {"x86_64": "x86_64", "aarch64": "aarch_64"}


def added_name(runtime: str) -> str:
    """The name that what is added for ``runtime`` has: one for each version of Java."""
    return "java8.al2" if RUNTIMES[runtime] == "8" else f"java{RUNTIMES[runtime]}"


def _homes(runtime: str, places: Places) -> Iterator[Path]:
    """Where a JDK or JRE may be: what is configured, what was added, JAVA_HOME, PATH, the usual directories."""
    for program in places.programs("java", added_name(runtime)):
        yield Path(os.path.realpath(program)).parent.parent
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    for root in _JVMS:
        yield from sorted((entry for entry in root.glob("*") if entry.is_dir()), reverse=True)


def _version(home: Path) -> str | None:
    """What the installation says of itself, such as "17.0.15"; "8.0_452" of Java 8."""
    try:
        found = _VERSION.search((home / "release").read_text("utf-8", errors="replace"))
    except OSError:
        return None
    return None if found is None else found[1] + found[2]


def find(runtime: str, places: Places) -> tuple[Path, str] | None:
    """A home of the version that ``runtime`` needs, which runs, and its full version."""
    for home in _homes(runtime, places):
        java, version = home / "bin" / "java", _version(home)
        if version is None or re.match(r"\d+", version)[0] != RUNTIMES[runtime] or not os.access(java, os.X_OK):  # type: ignore[index]
            continue
        if runs(java, "-XX:+UseSerialGC", "-version"):
            return home, version
    return None


def _configuration_binds(home: Path) -> list[tuple[Path, str]]:
    """Distributions keep a JDK's configuration elsewhere, and link to it: what the links name has to be there as well."""
    outside: dict[Path, None] = {}
    for directory in ("conf", "lib", "jre/lib"):
        for at, _, names in os.walk(home / directory):
            for name in names:
                path = Path(at) / name
                if path.is_symlink():
                    target = Path(os.path.normpath(path.parent / path.readlink()))
                    if not target.is_relative_to(home) and not target.is_relative_to("/usr") and target.exists():
                        outside[target.parent] = None
    return [(Path(os.path.realpath(path)), str(path)) for path in outside if not path.is_relative_to("/etc/ssl/certs")]


def _jni(client: Path) -> str:
    """The client's native part for this machine, unpacked when it was added; "-": it unpacks its own."""
    name = f"libaws-lambda-jni.linux-{_JNI_MACHINES.get(platform.machine(), '')}.so"
    return f"{_LIBRARIES}/jni/{name}" if os.access(client / "jni" / name, os.R_OK) else "-"


def program(home: Path, major: str, client: Path) -> Program:
    """How environments with the Java in ``home`` start; ``client`` has AWS's client and what it needs."""
    archives = sorted(path.name for path in client.glob("*.jar"))
    binds = [
        *base.userland_binds(),
        *base.shell_binds(),
        (home, _LANGUAGE),
        *_configuration_binds(home),
        (client, _LIBRARIES),
        (_FILES, f"{INSIDE}/java"),
    ]
    classpath = ":".join(f"{_LIBRARIES}/{name}" for name in archives)
    start = ("/bin/sh", f"{INSIDE}/java/start.sh", major, f"{_LANGUAGE}/bin/java", classpath, _jni(client))
    return Program(
        layout=Layout(
            binds=tuple(binds),
            files=base.FILES,
            links=base.userland_links(),
            directories=base.DIRECTORIES,
        ),
        command=start,
        environment={"PATH": PATH, "LD_LIBRARY_PATH": LIBRARY_PATH, "LANG": "en_US.UTF-8"},
    )


def runtime(name: str, places: Places) -> Runtime:
    """AWS's runtime of one version of Java, with its program or with what is missing for it."""
    major, add = RUNTIMES[name], added_name(name)
    found, client = find(name, places), places.client(add)
    if found is None:
        missing = f"no Java {major} was found on PATH, in the usual directories or where [toolchains] search says"
        hint = "" if major == "8" else f" (midge runtimes add {add})"
        return Runtime(name=name, program=None, missing=missing + hint)
    if not any(client.glob("*.jar")):
        missing = f"there is Java {found[1]}, without AWS's client for Java (midge runtimes add {add})"
        return Runtime(name=name, program=None, missing=missing)
    return Runtime(
        name=name, program=program(found[0], major, client), version=f"{found[1]}, {_client_version(client)}"
    )


def _client_version(client: Path) -> str:
    archive = next(client.glob("aws-lambda-java-runtime-interface-client-*.jar"), None)
    return "AWS's client" if archive is None else archive.stem
