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
    "which midge may be addressed; names below `localhost` mean this machine.",
    "aws": "Which account and region callers find. `access_keys` are written as `ID:SECRET`; only function URLs with "
    "AuthType AWS_IAM look at them so far.",
    "sandbox": "How function code is kept apart from the machine: `namespaces` needs what `midge doctor` looks for, "
    "`process` does not isolate, `auto` takes namespaces where they are to be had.",
    "python": "midge's own Python runtime. `preload` is imported once, before environments are forked; `transport` is how "
    "AWS's runtime client speaks to the Runtime API: `pipelined` (midge's module, faster) or `stock` (AWS's native one).",
    "limits": "AWS's quotas by their documented values, and midge's own bounds. "
    "Sizes are in bytes and times in seconds where the name says so.",
}


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
