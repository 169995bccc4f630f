"""The configuration: which source wins, and that nothing unknown passes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.config import Config, ConfigError, is_loopback, keys, load


def write(path: Path, text: str) -> Path:
    file = path / "midge.toml"
    file.write_text(text, "utf-8")
    return file


def test_nothing_given_means_the_defaults() -> None:
    """Without file, environment and options the record is the default one."""
    assert load(None, {}) == Config()


def test_the_more_specific_source_wins(tmp_path: Path) -> None:
    """An option beats the environment, the environment beats the file, the file beats the default."""
    file = write(tmp_path, "[server]\nport = 1\nhost = '127.0.0.2'\n[aws]\nregion = 'eu-west-1'\n")
    config = load(file, {"MIDGE_SERVER_PORT": "2", "MIDGE_SERVER_HOST": "127.0.0.3"}, {"server": {"port": 3}})
    assert (config.server.port, config.server.host, config.aws.region) == (3, "127.0.0.3", "eu-west-1")
    assert config.aws.account == Config().aws.account


def test_variables_set_every_kind_of_value() -> None:
    """Text, numbers, truth, choices and lists can each be set by a variable."""
    config = load(
        None,
        {
            "MIDGE_AWS_REGION": "eu-central-1",
            "MIDGE_LIMITS_INIT_SECONDS": "2.5",
            "MIDGE_SERVER_ALLOW_REMOTE": "true",
            "MIDGE_SANDBOX_KIND": "process",
            "MIDGE_PYTHON_PRELOAD": "boto3,requests",
            "UNRELATED": "1",
        },
    )
    assert config.aws.region == "eu-central-1"
    assert config.limits.init_seconds == 2.5
    assert config.server.allow_remote is True
    assert config.sandbox.kind == "process"
    assert config.python.preload == ("boto3", "requests")


def test_an_empty_list_can_be_set_by_a_variable() -> None:
    """A variable with nothing in it means an empty list, not one empty entry."""
    assert load(None, {"MIDGE_PYTHON_PRELOAD": ""}).python.preload == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1\n", "prot"),
        ("[sever]\nport = 1\n", "sever"),
        ("port = 1\n", "port"),
        ("[server]\nport = 'many'\n", "server.port"),
        ("[server]\nport = 0\n", "port 0"),
        ("[aws]\naccount = '12'\n", "12 digits"),
        ("[aws]\naccess_keys = ['no-secret']\n", "access_keys"),
        ("[aws]\naccess_keys = [':secret']\n", "access_keys"),
        ("[server]\ndomain = 'Upper.test'\n", "domain"),
        ("[server]\ndomain = 'a..b'\n", "domain"),
        ("[limits]\ninit_seconds = -1\n", "init_seconds"),
        ("[limits]\nno_such_limit = 1\n", "no_such_limit"),
        ("[sandbox]\nkind = 'jail'\n", "jail"),
        ("not toml", "midge.toml"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, named: str) -> None:
    """A section, key or value that midge does not know is an error that names it."""
    with pytest.raises(ConfigError, match=named):
        load(write(tmp_path, text), {})


@pytest.mark.parametrize("name", ["MIDGE_SERVER_PROT", "MIDGE_PORT", "MIDGE_"])
def test_a_variable_that_sets_nothing_is_refused(name: str) -> None:
    """A variable with midge's prefix and no setting behind it is an error that names it."""
    with pytest.raises(ConfigError, match=name):
        load(None, {name: "1"})


def test_access_keys_have_their_secrets() -> None:
    """Keys are ID:SECRET, in a list or with commas, and a secret may hold anything but a comma."""
    assert load(None, {"MIDGE_AWS_ACCESS_KEYS": "A:b/+=c:d,E:f"}).aws.secrets == {"A": "b/+=c:d", "E": "f"}
    assert Config().aws.secrets == {"test": "test"}


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A file that was named is never skipped."""
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        load(tmp_path / "absent.toml", {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_addresses_of_other_machines_need_a_word(host: str) -> None:
    """An address that others can reach is refused until it is allowed by name."""
    with pytest.raises(ConfigError, match="allow-remote"):
        load(None, {}, {"server": {"host": host}})
    allowed: dict[str, Any] = {"host": host, "allow_remote": True}
    assert load(None, {}, {"server": allowed}).server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_word(host: str) -> None:
    """Every form of loopback is accepted."""
    assert is_loopback(host)
    assert load(None, {}, {"server": {"host": host}}).server.host == host


@given(st.sampled_from([(section, key) for section, table in keys().items() for key in table]))
def test_every_default_is_accepted_when_written_out(setting: tuple[str, str]) -> None:
    """Setting any key to its own default, through the environment, changes nothing."""
    section, key = setting
    default = keys()[section][key][1]
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    assert load(None, {f"MIDGE_{section}_{key}".upper(): text}) == Config()


def test_runtimes_have_tables_by_name(tmp_path: Path) -> None:
    """The file may say of each runtime what its image is, and nothing that midge does not know."""
    file = tmp_path / "midge.toml"
    file.write_text('[runtimes."python3.12"]\nimage = "oci:/images/python"\n')
    assert load(file, {}).runtimes["python3.12"].image == "oci:/images/python"
    for text in ('[runtimes."python3.12"]\nimages = "x"\n', '[runtimes]\nimage = "x"\n', '[runtimes."a"]\nimage = 1\n'):
        file.write_text(text)
        with pytest.raises(ConfigError):
            load(file, {})


@pytest.mark.parametrize("registry", ["", "https://r.example", "r.example/app", "user@r.example", "http://"])
def test_registries_are_hosts(registry: str) -> None:
    """What is no host, with or without a port, is refused."""
    with pytest.raises(ConfigError, match="registries"):
        load(None, {}, {"images": {"registries": [registry]}})
