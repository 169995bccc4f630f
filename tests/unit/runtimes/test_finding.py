"""How runtimes are found: interpreters that answer as real ones do, in directories of the tests' own."""

import json
from pathlib import Path

import pytest

from midge.model.errors import ServiceError
from midge.runtimes.catalogue import Catalogue, discover
from midge.runtimes.places import Places


def program(path: Path, text: str) -> Path:
    """A shell script in the place of an interpreter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def ruby(prefix: Path, version: str, gem: str = "") -> None:
    """A Ruby that answers midge's question; ``gem`` is the version of AWS's client, if it has it."""
    home = f"{prefix}/gems/aws_lambda_ric-{gem}" if gem else ""
    abi = version.rpartition(".")[0] + ".0"
    answer = "\\n".join([str(prefix), version, abi, f"{prefix}/bin/ruby", home, gem])
    program(prefix / "bin/ruby", f"printf '{answer}\\n'")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any interpreter, but for what the test puts into the directory ``search``."""
    for name in ("PATH", "HOME", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "JAVA_HOME", "DOTNET_ROOT", "RBENV_ROOT"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    for module in ("java.program._JVMS", "dotnet.program._USUAL"):
        monkeypatch.setattr(f"midge.runtimes.{module}", ())
    return tmp_path / "search"


def look(alone: Path) -> Catalogue:
    return discover(
        python_preload=(),
        python_stock_transport=False,
        node_modules=alone / "none",
        places=Places(added=alone.parent / "added", search=(alone,)),
    )


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        ("nodejs18.x", "no Node.js 18 was found"),
        ("java8.al2", "no Java 8 was found"),
        ("java17", "midge runtimes add java17"),
        ("dotnet8", "no .NET 8 was found"),
        ("ruby3.4", "no Ruby 3.4 was found"),
        ("python3.14", "no Python 3.14 interpreter was found"),
        ("python3.15", "cannot run the runtime python3.15 yet"),
    ],
)
def test_a_runtime_that_is_not_here_is_refused_with_the_reason(alone: Path, runtime: str, reason: str) -> None:
    """Creating a function for it is an InvalidParameterValueException that names the runtime and what is missing."""
    if runtime == "python3.14" and (Path("/usr/bin/python3.14").exists() or Path("/usr/local/bin/python3.14").exists()):
        pytest.skip("this machine has a Python 3.14")
    with pytest.raises(ServiceError, match=reason) as refusal:
        look(alone).check(runtime, "x86_64")
    assert refusal.value.code == "InvalidParameterValueException"
    assert runtime in str(refusal.value)


def test_ruby_needs_aws_s_gem(alone: Path) -> None:
    """Ruby without the gem is named with what is missing; with it, it runs its own files and the gem's from /var."""
    ruby(alone, "3.3.6")
    assert (
        look(alone).find("ruby3.3").missing == "there is Ruby 3.3.6, without AWS's client (gem install aws_lambda_ric)"
    )
    ruby(alone, "3.3.6", gem="3.1.0")
    found = look(alone).find("ruby3.3")
    assert found.version == "3.3.6, aws_lambda_ric 3.1.0"
    assert found.program is not None
    assert found.program.command[2:] == ("/var/lang/bin/ruby", "/var/runtime/gem/bin/aws_lambda_ric")
    assert "/opt/ruby/gems/3.3.0" in found.program.environment["GEM_PATH"]
    assert look(alone).find("ruby3.4").program is None


def test_what_is_added_later_is_found(alone: Path) -> None:
    """A catalogue that lacked a runtime finds it when it has come, without being made anew."""
    catalogue = look(alone)
    assert "nodejs22.x" not in catalogue
    answer = json.dumps(f"{alone.parent}/added/nodejs22.x/interpreter/bin/node")
    program(alone.parent / "added/nodejs22.x/interpreter/bin/node", f"echo {answer}\necho 22.20.0")
    assert catalogue.find("nodejs22.x").version == "22.20.0"


def test_configured_places_come_first(alone: Path) -> None:
    """Of two interpreters of one version, the one that the configuration names is taken."""
    for where, version in ((alone, "24.1.0"), (alone.parent / "added/nodejs24.x/interpreter", "24.2.0")):
        program(where / "bin/node", f"echo {where}/bin/node\necho {version}")
    assert look(alone).find("nodejs24.x").version == "24.1.0"


def test_java_is_what_its_release_file_says(alone: Path) -> None:
    """Versions of old and new style are read; a JDK whose java does not run is none."""
    (alone / "bin").mkdir(parents=True)
    client = alone.parent / "added/java8.al2/client"
    client.mkdir(parents=True)
    (client / "aws-lambda-java-runtime-interface-client-1.jar").touch()
    (alone / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="1.8.0_452"\n')
    program(alone / "bin/java", "exit 1")
    assert look(alone).find("java8.al2").program is None
    program(alone / "bin/java", "exit 0 # this one runs")
    found = look(alone).find("java8.al2")
    assert found.version.startswith("8.0_452, ")
    assert look(alone).find("java8.al2023").version == found.version
