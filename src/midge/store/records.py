"""How domain records are laid down: as JSON beside the columns that queries need. Knows no database.

Fields that a later midge adds must have defaults, so that what an earlier one wrote can still be read.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from midge.model.capacity_providers import CapacityProvider
from midge.model.code_signing import CodeSigningConfig
from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.event_source_mappings import EventSourceMapping
from midge.model.function_urls import FunctionUrl
from midge.model.functions import LATEST, Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.layers import LayerId, LayerVersion
from midge.model.policies import ResourcePolicy
from midge.model.provisioned_concurrency import ProvisionedConcurrency
from midge.model.resources import Place, Resource
from midge.model.runtime_management import RuntimeManagement

R = TypeVar("R", bound=Resource)

_encoder = msgspec.json.Encoder(order="deterministic")
_version_decoder = msgspec.json.Decoder(FunctionVersion)
_alias_decoder = msgspec.json.Decoder(Alias)
_layer_decoder = msgspec.json.Decoder(LayerVersion)

FunctionKey = tuple[str, str, str]
"""Account, region, name."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """One kind of resource: the word that stands for it in the database, and how its records are read."""

    word: str
    decoder: msgspec.json.Decoder[R]
    attached: bool
    """To a function, a version or an alias: it cannot be without what it is attached to, and goes with it."""


def _kind(word: str, record: type[R], *, attached: bool) -> tuple[type[R], Kind[R]]:
    return record, Kind(word, msgspec.json.Decoder(record), attached)


_KINDS: dict[type[Any], Kind[Any]] = dict(
    [
        _kind("settings", FunctionSettings, attached=True),
        _kind("policy", ResourcePolicy, attached=True),
        _kind("provisioned-concurrency", ProvisionedConcurrency, attached=True),
        _kind("runtime-management", RuntimeManagement, attached=True),
        _kind("code-signing-config", CodeSigningConfig, attached=False),
        _kind("capacity-provider", CapacityProvider, attached=False),
        _kind("event-source-mapping", EventSourceMapping, attached=False),
        _kind("event-invoke-config", EventInvokeConfig, attached=True),
        _kind("function-url", FunctionUrl, attached=True),
    ]
)
ATTACHED_WORDS = tuple(kind.word for kind in _KINDS.values() if kind.attached)


def kind_of(record: type[R]) -> Kind[R]:
    """The kind whose records are of this class."""
    return _KINDS[record]


def key(function: FunctionId) -> FunctionKey:
    """A function's identity as columns."""
    return (function.account, function.region, function.name)


def layer_key(layer: LayerId) -> FunctionKey:
    """A layer's identity as columns."""
    return (layer.account, layer.region, layer.name)


def place_columns(place: Place) -> tuple[str, str, str, str]:
    """A resource's identity within its kind, as columns."""
    return (place.account, place.region, place.owner, place.name)


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


def encode(record: FunctionVersion | Alias | LayerVersion | Resource) -> str:
    """A record as JSON text."""
    return _encoder.encode(record).decode("utf-8")


def decode_version(text: str) -> FunctionVersion:
    """The version in a record. Raises msgspec.MsgspecError if it is none."""
    return _version_decoder.decode(text)


def decode_alias(text: str) -> Alias:
    """The alias in a record. Raises msgspec.MsgspecError if it is none."""
    return _alias_decoder.decode(text)


def decode_layer_version(text: str) -> LayerVersion:
    """The layer version in a record. Raises msgspec.MsgspecError if it is none."""
    return _layer_decoder.decode(text)
