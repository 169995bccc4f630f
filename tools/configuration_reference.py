"""Writes docs/configuration.md from the configuration's own description; `make docs` runs it, a test compares."""

import typing
from pathlib import Path
from typing import Any

from midge.config import PREFIX, keys

HEAD = """\
# Configuration

<!-- Written by `make docs`; change src/midge/config.py, src/midge/model/limits.py or tools/configuration_reference.py instead. -->

midge runs without any.
What is set comes from four places, the later winning: the defaults, a TOML file (`midge serve --config FILE`), the environment, the command line.

A section of the file is a table below.
The variable that overrides a key is always `MIDGE_<SECTION>_<KEY>`; lists are written with commas, truth as `true` or `false`.
A section, key or variable that midge does not know is an error, and so is a value of the wrong kind.

```toml
[server]
port = 5000

[python]
preload = ["boto3", "requests"]
```
"""

SECTIONS = {
    "server": "Where midge listens and keeps what it must not lose. `domain` is what function URLs end in, and a name by "
    "which midge may be addressed; names below `localhost` mean this machine. "
    "`clock`: with `virtual`, `POST /_midge/clock/advance` turns time on, and retries, event ages, idle environments and "
    "all else that waits follow.",
    "aws": "Which account and region callers find. `access_keys` are written as `ID:SECRET`; only function URLs with "
    "AuthType AWS_IAM look at them so far.",
    "sandbox": "How function code is kept apart from the machine: `namespaces` needs what `midge doctor` looks for, "
    "`process` does not isolate, `auto` takes namespaces where they are to be had.",
    "python": "midge's own Python runtime. `preload` is imported once, before environments are forked; `transport` is how "
    "AWS's runtime client speaks to the Runtime API: `pipelined` (midge's module, faster) or `stock` (AWS's native one).",
    "environments": "How long execution environments are kept when nobody calls. `keep_alive`: with `fixed` for "
    "`idle_environment_seconds`; with `histogram` each function version's idle times are learnt, and its environments are "
    "ended, made anew shortly before the next invocation is to be expected, and kept until it is not any more.",
    "toolchains": "Where the interpreters of runtimes are looked for besides PATH and the usual places. `search` lists "
    "directories as an interpreter is installed in, with `bin/python3.13`, `bin/node`, `bin/java` or `dotnet` in them; "
    "`directory` is where `midge runtimes add` installs, by default `toolchains` in the data directory.",
    "images": "Where container images may come from. Whoever calls the API, function code included, names images, and midge "
    "then contacts their registry or reads their file; so by default it contacts registries on this machine's loopback "
    "interface alone (by plain HTTP), and reads no files. `registries` are the others that it may contact, by HTTPS: `host`, "
    "`host:port` or `*.domain`, behind `http://` one that only speaks plain HTTP. A registry's token service and the hosts "
    "that it redirects to count as others, and have to be named as well. `directories` are those below which local images "
    "may lie (`oci:/directory:tag`, `oci-archive:/file:tag`, `docker-archive:/file:name:tag`). `auth_file` is a file as "
    "`docker login` and `skopeo login` write it; of its forms only `auths` is read. It is read once, at start; what is in it "
    "goes to the registry that it is for and to its token service, and never into a log.",
    "prices": "What `midge bill` reckons with: decimals in text, for a million requests, a GB-second and a GB. Tiers are "
    "written as `UNITS:PRICE`, for so many GB-seconds of a month, the last one as `PRICE` alone; in a variable, with commas. "
    "`source` says where the prices are from, and is printed on every bill.",
    "limits": "AWS's quotas by their documented values, and midge's own bounds. "
    "Sizes are in bytes and times in seconds where the name says so.",
}


RUNTIMES = """
## [runtimes.\"NAME\"]

One of AWS's managed runtimes, such as `python3.12`; only in the file.
`image` names a container image, in any of the forms that `ImageUri` takes, that is the root of this runtime's environments in the place of this machine's interpreter and programs: AWS's own base images, for instance.
It is pulled when midge starts, and may come from where `[images]` allows.
What it starts with is its own entry point, given the function's handler; for `provided` runtimes it is the function's `bootstrap`.

```toml
[runtimes."python3.12"]
image = "oci-archive:/images/python-3.12.tar"
```

| key | kind | default | variable |
| --- | --- | --- | --- |
| `image` | text | `""` | |
"""


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for section, table in keys().items():
        parts.append(
            f"\n## [{section}]\n\n{SECTIONS[section]}\n\n| key | kind | default | variable |\n| --- | --- | --- | --- |\n"
        )
        for key, (kind, default) in table.items():
            variable = f"{PREFIX}{section}_{key}".upper()
            parts.append(f"| `{key}` | {_kind(kind)} | `{_toml(default)}` | `{variable}` |\n")
        if section == "images":
            parts.append(RUNTIMES)
    return "".join(parts)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in typing.cast("tuple[str, ...]", value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _kind(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "list of text"
    return {str: "text", int: "whole number", float: "number", bool: "truth"}[kind]


if __name__ == "__main__":
    (Path(__file__).resolve().parents[1] / "docs" / "configuration.md").write_text(reference(), encoding="utf-8")
