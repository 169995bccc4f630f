"""Finds Ruby with AWS's client gem and says how environments of it come to life.

Ruby's prefix appears at /var/lang (a distribution's own stays in /usr), the gem where the function's are not.
Source: https://docs.aws.amazon.com/lambda/latest/dg/ruby-package.html
"""

import os
from collections.abc import Iterator
from pathlib import Path

from midge.runtimes import base
from midge.runtimes.places import Places, ask
from midge.runtimes.port import Runtime
from midge.sandbox.program import INSIDE, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, TASK_ROOT, Layout, Program

VERSIONS = ("3.2", "3.3", "3.4")
GEM = "aws_lambda_ric"
_PROBE = (
    "puts RbConfig::CONFIG['prefix'], RUBY_VERSION, RbConfig::CONFIG['ruby_version'], RbConfig.ruby;"
    f"s = Gem::Specification.find_all_by_name('{GEM}').max_by(&:version);"
    "puts s ? s.full_gem_path : '', s ? s.version.to_s : ''"
)
_LANGUAGE = "/var/lang"
_GEM_INSIDE = f"{RUNTIME_DIRECTORY}/gem"


def _candidates(version: str, places: Places) -> Iterator[Path]:
    """Where a Ruby may be: what is configured, PATH, rbenv, rvm and asdf."""
    for name in ("ruby", f"ruby{version}"):
        yield from places.programs(name, f"ruby{version}")
    rbenv = Path(os.environ.get("RBENV_ROOT") or Path.home() / ".rbenv")
    for root in (rbenv / "versions", Path.home() / ".rvm/rubies", Path.home() / ".asdf/installs/ruby"):
        for directory in sorted(root.glob(f"*{version}.*"), reverse=True):
            yield directory / "bin" / "ruby"


def _program(lines: tuple[str, ...]) -> Program:
    prefix, _, abi, executable, gem, _ = lines
    system = prefix == "/usr"
    language = prefix if system else _LANGUAGE
    binds = [*base.userland_binds(), *base.shell_binds(), (Path(gem), _GEM_INSIDE)]
    if system:
        binds += [(place, str(place)) for place in (Path("/usr/share/rubygems-integration"),) if place.is_dir()]
    else:
        binds.append((Path(prefix), _LANGUAGE))
    inside = language + executable.removeprefix(prefix)
    gems = f"{TASK_ROOT}/vendor/bundle/ruby/{abi}:/opt/ruby/gems/{abi}"
    return Program(
        layout=Layout(binds=tuple(binds), files=base.FILES, links=base.userland_links(), directories=base.DIRECTORIES),
        command=("/bin/sh", f"{INSIDE}/shell/ruby.sh", inside, f"{_GEM_INSIDE}/bin/{GEM}"),
        environment={
            "PATH": PATH,
            "LD_LIBRARY_PATH": LIBRARY_PATH,
            "LANG": "en_US.UTF-8",
            "GEM_PATH": gems,
            "RUBYLIB": f"{TASK_ROOT}:{_GEM_INSIDE}/lib:/opt/ruby/lib",
        },
    )


def runtime(version: str, places: Places) -> Runtime:
    """AWS's runtime of one Ruby version, with its program or with what is missing for it."""
    name, without = f"ruby{version}", None
    for candidate in _candidates(version, places):
        lines = ask(candidate, "-e", _PROBE)
        if len(lines) == 6 and lines[1].startswith(f"{version}."):
            if lines[4]:
                return Runtime(name=name, program=_program(lines), version=f"{lines[1]}, {GEM} {lines[5]}")
            without = lines[1]
    if without is not None:
        missing = f"there is Ruby {without}, without AWS's client (gem install {GEM})"
    else:
        missing = (
            f"no Ruby {version} was found on PATH, under rbenv, rvm or asdf, or where [toolchains] search says; "
            f"it needs the gem {GEM} as well"
        )
    return Runtime(name=name, program=None, missing=missing)
