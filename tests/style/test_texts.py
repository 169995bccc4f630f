"""What no file of the repository may say, and what its documents must."""

import importlib.util
import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from style.sources import ROOT, tracked

from midge.cli.main import main

MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK|X" r"XX)\b")
HOME = re.compile(r"(?<![\w.<>$}~:-])/(?:home|Users|ro" r"ot|wo" r"rk)/[\w.]")
REGISTRIES = re.compile(r"registry\.npm" r"js|py" r"pi\.org|files\.python" r"hosted|proxy\.go" r"lang")
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".mjs", ".js", ".c", ".h", ".sql", ".sh", ".lua", ".cfg", ".yaml", ""}


def lines() -> Iterator[tuple[Path, int, str]]:
    for path in tracked():
        if path.suffix in TEXT:
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
                yield path.relative_to(ROOT), number, line


@pytest.mark.parametrize(
    ("pattern", "meaning"),
    [
        (MARKS, "a mark of something unfinished: finish it, or open an issue"),
        (HOME, "a path of somebody's own machine"),
        (REGISTRIES, "the address of a package registry: whoever installs has their own"),
    ],
)
def test_no_file_says(pattern: re.Pattern[str], meaning: str) -> None:
    """No file holds a mark of unfinished work, a personal path or the address of a registry."""
    found = [f"{path}:{number} {line.strip()[:80]}" for path, number, line in lines() if pattern.search(line)]
    assert not found, meaning + "\n" + "\n".join(found)


def test_the_configuration_reference_is_complete() -> None:
    """docs/configuration.md is what `make docs` writes from the configuration's own description."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "configuration_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == module.reference()


def test_every_row_about_a_phase_names_a_test_that_exists() -> None:
    """Each row of the tables in docs/phases.md ends with a test, and that test is there."""
    rows = [line for line in (ROOT / "docs" / "phases.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith(("| phase", "| ---"))]
    unproven: list[str] = []
    for row in rows:
        named = re.search(r"\| `([\w/]+\.py)::(\w+)` \|$", row)
        file = None if named is None else ROOT / named[1]
        if named is None or file is None or not file.is_file() or f"def {named[2]}(" not in file.read_text("utf-8"):
            unproven.append(row)
    assert len(rows) > 30, "the tables have another shape"
    assert not unproven, "\n".join(unproven)


def test_every_command_is_documented() -> None:
    """docs/commands.md has a section for every command and names every option of it."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    missing: list[str] = []
    for name, command in main.commands.items():
        section = text.partition(f"## midge {name}\n")[2].partition("\n## ")[0]
        options = [option for p in command.params if isinstance(p, click.Option) for option in p.opts[:1]]
        missing += [f"midge {name}"] * (not section) + [f"midge {name} {o}" for o in options if f"`{o}" not in section]
    assert not missing, f"not in docs/commands.md: {missing}"


def test_every_link_between_documents_leads_somewhere() -> None:
    """A relative link in a document names a file that exists."""
    broken = [
        f"{path}:{number} {target}"
        for path, number, line in lines()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line)
        if not (ROOT / path.parent / target).exists()
    ]
    assert not broken, f"broken links: {broken}"


def test_the_files_that_hold_the_promises_exist() -> None:
    """Every file that SPECIFICATION.md names as a promise's proof is there."""
    named = re.findall(r"`((?:tests|benchmarks|examples)/[\w./-]+)`", (ROOT / "SPECIFICATION.md").read_text("utf-8"))
    assert named
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing, f"SPECIFICATION.md names what is not there: {missing}"


def pins(name: str) -> dict[str, set[str]]:
    """Requirement -> hashes of a constraints file."""
    found: dict[str, set[str]] = {}
    current = ""
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line.startswith("    --hash="):
            found[current].add(line.strip(" \\"))
        elif line and not line.startswith("#"):
            current = line.rstrip(" \\")
            found[current] = set()
    return found


def test_what_runs_is_what_was_tested() -> None:
    """Every pin that users install is, with its hashes, the one that developers install."""
    everything, run = pins("constraints.txt"), pins("constraints-run.txt")
    assert run
    assert all("==" in pin and hashes for pin, hashes in everything.items())
    assert {pin: everything.get(pin) for pin in run} == run


def test_every_dependency_is_pinned() -> None:
    """Every direct dependency in pyproject.toml has a pin in constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    wanted = itertools.chain.from_iterable(groups)
    names = {re.split(r"[\[<>=! ]", requirement)[0].lower() for requirement in wanted}
    pinned = {pin.partition("==")[0] for pin in pins("constraints.txt")}
    assert names <= pinned, f"not pinned: {names - pinned}"
