"""How domain records are laid down: as JSON beside the columns that queries need. Knows no database.

Fields that a later midge adds must have defaults, so that what an earlier one wrote can still be read.
"""

import msgspec

from midge.model.functions import LATEST, Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.policies import ResourcePolicy

_encoder = msgspec.json.Encoder(order="deterministic")
_version_decoder = msgspec.json.Decoder(FunctionVersion)
_alias_decoder = msgspec.json.Decoder(Alias)
_settings_decoder = msgspec.json.Decoder(FunctionSettings)
_policy_decoder = msgspec.json.Decoder(ResourcePolicy)

FunctionKey = tuple[str, str, str]
"""Account, region, name."""


def key(function: FunctionId) -> FunctionKey:
    """A function's identity as columns."""
    return (function.account, function.region, function.name)


_NO_VERSION = 2**63 - 1


def number(version: str) -> int:
    """A version as a sortable number, $LATEST as 0; anything else that is no version as a number that none ever has."""
    if version == LATEST:
        return 0
    plain = len(version) < len(str(_NO_VERSION)) and version.isascii() and version.isdigit() and version[0] != "0"
    return int(version) if plain else _NO_VERSION


def additional_number(alias: Alias) -> int | None:
    """The other version that a weighted alias points at."""
    return next((number(version) for version in alias.additional_version_weights), None)


def encode(record: FunctionVersion | Alias | FunctionSettings | ResourcePolicy) -> str:
    """A record as JSON text."""
    return _encoder.encode(record).decode("utf-8")


def decode_version(text: str) -> FunctionVersion:
    """The version in a record. Raises msgspec.MsgspecError if it is none."""
    return _version_decoder.decode(text)


def decode_alias(text: str) -> Alias:
    """The alias in a record. Raises msgspec.MsgspecError if it is none."""
    return _alias_decoder.decode(text)


def decode_settings(text: str) -> FunctionSettings:
    """The settings in a record. Raises msgspec.MsgspecError if they are none."""
    return _settings_decoder.decode(text)


def decode_policy(text: str) -> ResourcePolicy:
    """The policy in a record. Raises msgspec.MsgspecError if it is none."""
    return _policy_decoder.decode(text)
