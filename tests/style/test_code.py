"""Sizes, banned calls and names: what no linter here knows of. Every failure names file and line."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from style.sources import PACKAGE, python_files, tree, where

MODULE_LINES = 400
FUNCTION_LINES = 60

BANNED_CALLS = {
    "print": "output goes through click (commands) or structlog",
    "time.time": "take a midge.clock.Clock",
    "time.sleep": "wait on the event loop, with a midge.clock.Clock",
    "datetime.now": "take a midge.clock.Clock",
    "datetime.utcnow": "take a midge.clock.Clock",
    "datetime.datetime.now": "take a midge.clock.Clock",
    "asyncio.create_task": "a task needs an owner: midge.tasks or a TaskGroup",
    "asyncio.ensure_future": "a task needs an owner: midge.tasks or a TaskGroup",
    "loop.create_task": "a task needs an owner: midge.tasks or a TaskGroup",
}
HOMES = {
    "time.time": ("clock.py",),
    "time.sleep": ("inside",),  # programs of their own inside a sandbox, without an event loop
    "asyncio.create_task": ("tasks.py",),
    "loop.create_task": ("tasks.py",),
}

# Words that AWS does not use for the thing (docs/glossary.md), as parts of identifiers.
SYNONYMS = {
    "container": "execution environment",
    "containers": "execution environments",
    "microvm": "execution environment",
    "lambdas": "functions",
    "agent": "extension",
}


def own_code() -> list[Path]:
    return python_files("src")


def everything() -> list[Path]:
    return python_files("src", "tests", "benchmarks", "examples", "tools")


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a name or attribute; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def test_modules_stay_under_four_hundred_lines() -> None:
    """No module is longer than a reader holds in mind."""
    code = [path for path in everything() if path not in python_files("tests")]
    long = [where(p, n) for p in code if (n := len(p.read_text("utf-8").splitlines())) > MODULE_LINES]
    assert not long, f"over {MODULE_LINES} lines: {long}"


def test_functions_stay_under_sixty_lines() -> None:
    """No function is longer than a screen."""
    long = [
        f"{where(path, node)} {node.name}"
        for path in everything()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES
    ]
    assert not long, f"over {FUNCTION_LINES} lines: {long}"


def test_every_module_says_what_it_owns() -> None:
    """Every module opens with a docstring."""
    silent = [where(path, 1) for path in everything() if ast.get_docstring(tree(path)) is None]
    assert not silent, f"no module docstring: {silent}"


def test_every_test_states_its_claim() -> None:
    """Every test's docstring is the sentence that it proves."""
    silent = [
        f"{where(path, node)} {node.name}"
        for path in python_files("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert not silent, f"no claim: {silent}"


def banned_calls(module: ast.Module, path: Path) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            home = HOMES.get(name, ())
            if name in BANNED_CALLS and path.name not in home and path.parent.name not in home:
                yield f"{where(path, node)} {name}(): {BANNED_CALLS[name]}"


def swallowed(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and all(isinstance(statement, ast.Pass) for statement in node.body):
            yield f"{where(path, node)} except: pass; say what is expected with contextlib.suppress, or handle it"


def own_identifiers(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """The names that a module gives: definitions, arguments, targets of assignments."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node, node.name
        elif isinstance(node, ast.arg):
            yield node, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node, node.id if isinstance(node, ast.Name) else node.attr


def words(identifier: str) -> list[str]:
    spaced = "".join(f"_{c.lower()}" if c.isupper() else c for c in identifier)
    return [word for word in spaced.split("_") if word]


def test_no_banned_call() -> None:
    """Time, output and tasks are had in the one way that the project has for them."""
    found = [line for path in own_code() for line in banned_calls(tree(path), path)]
    assert not found, "\n".join(found)


def test_no_exception_is_swallowed() -> None:
    """No handler consists of pass alone."""
    found = [line for path in everything() for line in swallowed(path)]
    assert not found, "\n".join(found)


def test_names_are_those_of_aws() -> None:
    """No identifier uses a word for which AWS has another."""
    found = [
        f"{where(path, node)} {name}: say {SYNONYMS[word]}"
        for path in own_code()
        for node, name in own_identifiers(path)
        for word in words(name)
        if word in SYNONYMS and "user_agent" not in name
    ]
    assert not found, "\n".join(found)


def test_no_test_sleeps() -> None:
    """Tests wait for what they wait for, never for time to pass; a bounded poll of another process is the exception."""
    found = [
        where(path, node)
        for path in python_files("tests")
        if "functional" not in path.parts
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and dotted(node.func) in {"time.sleep", "asyncio.sleep"} and node.args
        if not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]
    assert not found, f"sleeping: {found}"


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("time.time()", 1),
        ("time.monotonic()", 0),
        ("print('x')", 1),
        ("asyncio.create_task(f())", 1),
        ("group.create_task(f())", 0),
    ],
)
def test_the_search_for_banned_calls_finds_them(source: str, caught: int) -> None:
    """The search sees what it is for, and nothing else."""
    assert len(list(banned_calls(ast.parse(source), PACKAGE / "example.py"))) == caught
