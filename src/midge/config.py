"""The configuration: one frozen record, read once at start and passed down by the composition root.

Sources, the later winning: the defaults below, a TOML file, the environment, the command line. The file's sections are
the fields of ``Config``; a key of a section is overridden by the variable ``MIDGE_<SECTION>_<KEY>``, lists being written
with commas: ``MIDGE_SERVER_PORT=5000``, ``MIDGE_PYTHON_PRELOAD=boto3,requests``. What is not known is refused, in the
file and in the environment alike. It refuses to know what the values do. Reference: docs/configuration.md.
"""

import dataclasses
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

import msgspec

from midge.model.limits import Limits
from midge.runtimes.places import Places

PREFIX = "MIDGE_"
_BY_NAME = "runtimes"
"""The section whose tables are named by whoever writes the file."""


class ConfigError(Exception):
    """The configuration cannot be used; the text names the key and says why."""


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where midge listens and keeps what it must not lose."""

    host: str = "127.0.0.1"
    port: int = 4566
    data_dir: str = ".midge"
    allow_remote: bool = False
    strict: bool = False
    domain: str = "localhost"
    clock: Literal["system", "virtual"] = "system"


class Aws(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which account and region callers find."""

    account: str = "000000000000"
    region: str = "us-east-1"
    access_keys: tuple[str, ...] = ("test:test",)

    @property
    def secrets(self) -> dict[str, str]:
        """Access key id to secret access key."""
        return dict(key.split(":", 1) for key in self.access_keys)


class Sandbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How function code is kept apart from the machine."""

    kind: Literal["auto", "namespaces", "process"] = "auto"


class Environments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long execution environments are kept."""

    keep_alive: Literal["fixed", "histogram"] = "fixed"


class Python(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Midge's own Python runtime."""

    preload: tuple[str, ...] = ("boto3",)
    transport: Literal["pipelined", "stock"] = "pipelined"


class Toolchains(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the interpreters of runtimes are looked for besides PATH and the usual places."""

    search: tuple[str, ...] = ()
    directory: str = ""


class Images(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where container images may come from, beside registries on this machine."""

    registries: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    auth_file: str = ""


class Runtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of AWS's runtimes, in the file alone: ``[runtimes."python3.12"]``."""

    image: str = ""


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``midge bill`` reckons with, as decimals; tiers as UNITS:PRICE, the last one as PRICE alone."""

    currency: str = "USD"
    source: str = "AWS's public prices of us-east-1, as of August 2025"
    million_requests: str = "0.20"
    x86_64_gb_seconds: tuple[str, ...] = ("6000000000:0.0000166667", "9000000000:0.000015", "0.0000133334")
    x86_64_provisioned: str = "0.0000041667"
    x86_64_provisioned_duration: str = "0.0000097222"
    arm64_gb_seconds: tuple[str, ...] = ("7500000000:0.0000133334", "11250000000:0.0000120001", "0.0000106667")
    arm64_provisioned: str = "0.0000033334"
    arm64_provisioned_duration: str = "0.0000077778"
    storage_gb_seconds: str = "0.0000000309"
    streamed_gb: str = "0.008"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set."""

    server: Server = msgspec.field(default_factory=Server)
    aws: Aws = msgspec.field(default_factory=Aws)
    sandbox: Sandbox = msgspec.field(default_factory=Sandbox)
    environments: Environments = msgspec.field(default_factory=Environments)
    python: Python = msgspec.field(default_factory=Python)
    toolchains: Toolchains = msgspec.field(default_factory=Toolchains)
    images: Images = msgspec.field(default_factory=Images)
    runtimes: dict[str, Runtime] = msgspec.field(default_factory=dict[str, Runtime])
    """By AWS's names. Its keys cannot be overridden by variables: names of runtimes have dots."""
    prices: Prices = msgspec.field(default_factory=Prices)
    limits: Limits = msgspec.field(default_factory=Limits)

    @property
    def data_dir(self) -> Path:
        return Path(self.server.data_dir).expanduser().absolute()

    @property
    def places(self) -> Places:
        """Where runtimes are; what ``midge runtimes add`` installs is in the data directory, unless another is named."""
        named = self.toolchains.directory
        added = Path(named).expanduser().absolute() if named else self.data_dir / "toolchains"
        return Places(added=added, search=tuple(Path(part).expanduser().absolute() for part in self.toolchains.search))


def keys() -> dict[str, dict[str, tuple[Any, Any]]]:
    """Section -> key -> (type, default): what the file and the environment may set."""
    defaults = Config()
    sections: dict[str, dict[str, tuple[Any, Any]]] = {}
    for section in msgspec.structs.fields(Config):
        value: Any = getattr(defaults, section.name)
        if section.name == _BY_NAME:
            continue
        fields = dataclasses.fields(value) if isinstance(value, Limits) else msgspec.structs.fields(section.type)
        sections[section.name] = {field.name: (field.type, getattr(value, field.name)) for field in fields}
    return sections


def load(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> Config:
    """The record from the file at ``path`` (None: no file), the environment and then ``overrides`` by section and key.

    Raises ConfigError if the file cannot be read, or if a key or a value is not known.
    """
    tables = _read(path)
    for section, key, value in _from_environment(environment):
        tables.setdefault(section, {})[key] = value
    for section, values in (overrides or {}).items():
        tables.setdefault(section, {}).update(values)
    _refuse_unknown(tables)
    try:
        config = msgspec.convert(tables, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"configuration: {error}") from error
    _check(config)
    return config


def _read(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} stands outside of any section")
    return tables


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    """What the variables set: section, key, value; the value still as text unless it is a list."""
    known = {f"{PREFIX}{section}_{key}".upper(): (section, key) for section, table in keys().items() for key in table}
    found: list[tuple[str, str, Any]] = []
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise ConfigError(f"environment: {name} names no setting; the rule is {PREFIX}<SECTION>_<KEY>")
        section, key = known[name]
        is_list = get_origin(keys()[section][key][0]) is tuple
        found.append((section, key, [part for part in text.split(",") if part] if is_list else text))
    return found


def _refuse_unknown(tables: Mapping[str, Mapping[str, Any]]) -> None:
    known = keys()
    for section, table in tables.items():
        if section == _BY_NAME:
            continue  # msgspec tells of it
        if section not in known:
            raise ConfigError(f"configuration: no section [{section}]; there are {', '.join(known)}")
        for key in table:
            if key not in known[section]:
                raise ConfigError(f"configuration: [{section}] has no key {key}")


def _check(config: Config) -> None:
    if not 0 < config.server.port < 65536:
        raise ConfigError(f"configuration: port {config.server.port} is not between 1 and 65535")
    if not (len(config.aws.account) == 12 and config.aws.account.isdecimal()):
        raise ConfigError("configuration: an account id has 12 digits")
    for registry in config.images.registries:
        host = registry.removeprefix("http://")
        if not host or "/" in host or "@" in host:
            raise ConfigError(f"configuration: [images] registries takes host, host:port or *.domain, not {registry}")
    if not all(re.fullmatch(r"[^:]+:.+", key) for key in config.aws.access_keys):
        raise ConfigError("configuration: [aws] access_keys are written as ID:SECRET")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", config.server.domain):
        raise ConfigError(f"configuration: {config.server.domain!r} is no domain in small letters")
    for name, value in dataclasses.asdict(config.limits).items():
        if value < 0:
            raise ConfigError(f"configuration: [limits] {name} cannot be negative")
    if not (is_loopback(config.server.host) or config.server.allow_remote):
        raise ConfigError(
            f"configuration: {config.server.host} can be reached from other machines, and whoever reaches midge "
            "runs code on this one; say --allow-remote if that is meant"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a listener on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
