"""Layouts as plain data: where a path inside lies on the machine, and where a root may be assembled."""

from pathlib import Path

import pytest

from midge.sandbox.program import Layout, Program

LAYOUT = Layout(
    binds=(
        (Path("/usr/bin"), "/usr/bin"),
        (Path("/data/python"), "/var/lang"),
        (Path("/site/boto3"), "/var/runtime/boto3"),
        (Path("/site/six.py"), "/var/runtime/six.py"),
        (Path("/other/jmespath"), "/var/runtime/jmespath"),
        (Path("/midge/python"), "/var/runtime/.midge/python"),
    )
)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("/var/task", "/functions/f"),
        ("/var/task/lib", "/functions/f/lib"),
        ("/var/tasks", "/var/tasks"),
        ("/var/lang/bin/python3.11", "/data/python/bin/python3.11"),
        ("/var/lang", "/data/python"),
        ("/usr/bin/env", "/usr/bin/env"),
        ("/var/runtime/boto3/session.py", "/site/boto3/session.py"),
        ("/var/runtime", "/site:/other:/midge"),
        ("/var/runtime/.midge/python:/var/task", "/midge/python:/functions/f"),
        ("/lib64:/opt/lib", "/lib64"),
        ("/optional:/opt", "/optional"),
        ("--assigned", "--assigned"),
    ],
)
def test_a_path_inside_is_found_on_the_machine(inside: str, outside: str) -> None:
    """Each part of a path list becomes what is bound there; a directory of binds becomes where they come from."""
    assert LAYOUT.on_machine(inside, "/functions/f") == outside


def test_layers_are_found_on_the_machine() -> None:
    """What is inside at /opt, and below it, is where the layers are; nothing else is."""
    assert LAYOUT.on_machine("/opt/bin:/opt:/optional:/var/task", "/f", "/layers") == "/layers/bin:/layers:/optional:/f"


@pytest.mark.parametrize(
    ("own", "theirs", "command"),
    [
        (True, True, "/var/task/bootstrap"),
        (True, False, "/var/task/bootstrap"),
        (False, True, "/opt/bootstrap"),
        (False, False, "/var/task/bootstrap"),
        (False, None, "/var/task/bootstrap"),
    ],
)
def test_a_layer_may_bring_the_command(tmp_path: Path, own: bool, theirs: bool | None, command: str) -> None:
    """A bootstrap in the package is preferred to one in a layer; where there is none the package's is missed."""
    program = Program(
        layout=LAYOUT, command=("/var/task/bootstrap",), layer_command=("/opt/bootstrap",), environment={}
    )
    for name, there in (("task", own), ("opt", theirs)):
        (tmp_path / name).mkdir()
        if there:
            (tmp_path / name / "bootstrap").touch()
    assert program.command_for({}, tmp_path / "task", None if theirs is None else tmp_path / "opt") == (command,)


@pytest.mark.parametrize(
    ("wrapping", "variables", "command", "late"),
    [
        (("sh", "exec.sh"), {}, ("x",), False),
        (("sh", "exec.sh"), {"AWS_LAMBDA_EXEC_WRAPPER": ""}, ("x",), False),
        (("sh", "exec.sh"), {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"}, ("sh", "exec.sh", "x"), True),
        ((), {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"}, ("x",), False),
    ],
)
def test_a_function_may_name_a_wrapper_script(
    tmp_path: Path, wrapping: tuple[str, ...], variables: dict[str, str], command: tuple[str, ...], late: bool
) -> None:
    """Where a runtime has wrapper scripts, a function that names one is started behind it, by a process of its own."""
    program = Program(layout=LAYOUT, command=("x",), wrapping=wrapping, environment={})
    assert program.command_for(variables, tmp_path) == command
    assert program.starts_late(variables) is late


def test_the_last_bind_of_a_place_wins() -> None:
    """Where two binds cover a path, the later one lies on top, as it does when they are mounted."""
    layout = Layout(binds=((Path("/a"), "/usr"), (Path("/b"), "/usr/lib")))
    assert layout.on_machine("/usr/lib/x:/usr/bin/x", "/f") == "/b/x:/a/bin/x"


def test_the_root_is_assembled_where_it_hides_nothing() -> None:
    """The place for the new root is a directory of the machine that no bind's source lies in."""
    layout = Layout(binds=((Path("/sys/x"), "/x"), (Path("/mnt/nfs/python"), "/var/lang")))
    assert layout.as_wire()["place"] not in ("/sys", "/mnt")
    assert Path(layout.as_wire()["place"]).is_dir()


@pytest.mark.parametrize(
    ("variables", "late"),
    [
        ({}, False),
        ({"PYTHONPATH": "/opt/x"}, True),
        ({"PYTHONUNBUFFERED": "1"}, True),
        ({"LD_PRELOAD": "x.so"}, True),
        ({"MY_PYTHON": "1", "TABLE": "x"}, False),
    ],
)
def test_variables_that_an_interpreter_reads_at_its_start(variables: dict[str, str], late: bool) -> None:
    """A function that sets one needs an interpreter started after it; no other function does."""
    program = Program(layout=LAYOUT, command=("x",), environment={}, early_variables=("PYTHON", "LD_"))
    assert program.starts_late(variables) is late


def test_who_mentions_what_is_preloaded_profits_from_it(tmp_path: Path) -> None:
    """A function is given the preloaded zygote if its own files name a preloaded module and it brings no copy."""
    program = Program(layout=LAYOUT, command=("x",), environment={}, preload=("boto3",))
    (tmp_path / "app.py").write_text("import json\n")
    assert not program.profits(tmp_path)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "s3.py").write_text("import boto3\n")
    assert program.profits(tmp_path)
    (tmp_path / "boto3").mkdir()
    assert not program.profits(tmp_path)
