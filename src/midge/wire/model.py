"""The service model: what botocore's ``service-2.json`` says about one AWS service, as frozen records.

Owns finding and decoding that file. Knows nothing of HTTP and nothing of what the operations mean. botocore's data is
read from its installed package, but none of its code is imported: its loader alone costs 18 MiB of memory, the records
here under 3 (documentation is skipped while decoding). A test holds the result equal to what botocore's loader gives.
Sources: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html and aws-json-1_1-protocol.html beside it for the
meaning of the traits.
"""

import gzip
import re
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec


class Member(msgspec.Struct, frozen=True, rename="camel"):
    """A reference to a shape, from a structure's member, a list's element, or a map's key or value."""

    shape: str
    location: str | None = None
    """``uri``, ``querystring``, ``header``, ``headers`` (a map under a prefix) or ``statusCode``; None is the body."""
    location_name: str | None = None
    timestamp_format: str | None = None
    jsonvalue: bool = False


class ErrorTrait(msgspec.Struct, frozen=True, rename="camel"):
    """How an error shape travels."""

    code: str | None = None
    """What the protocol ``query`` calls it, where that is not the shape's name."""
    http_status_code: int = 400
    sender_fault: bool = False


class Shape(msgspec.Struct, frozen=True, rename="camel", dict=True):
    """A type with its constraints. ``min`` and ``max`` bound a number's value, or the length of anything else."""

    type: str
    members: dict[str, Member] = {}
    required: tuple[str, ...] = ()
    payload: str | None = None
    member: Member | None = None
    key: Member | None = None
    value: Member | None = None
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None
    sensitive: bool = False
    flattened: bool = False
    """In the protocol ``query``: the elements stand without a name of their own."""
    streaming: bool = False
    eventstream: bool = False
    timestamp_format: str | None = None
    exception: bool = False
    fault: bool = False
    """An error that is the service's, not the caller's."""
    error: ErrorTrait | None = None

    @cached_property
    def regex(self) -> re.Pattern[str] | None:
        """``pattern`` compiled on first use: all of them at start would cost 50 ms."""
        return None if self.pattern is None else compile_pattern(self.pattern)


class Reference(msgspec.Struct, frozen=True, rename="camel"):
    """The name of an operation's input, output or error."""

    shape: str
    result_wrapper: str | None = None
    """What an output is wrapped in, in the protocol ``query``."""


class Http(msgspec.Struct, frozen=True, rename="camel"):
    """An operation's HTTP binding; ``request_uri`` is a template with ``{Label}`` or ``{Label+}``."""

    method: str
    request_uri: str
    response_code: int = 200


class Operation(msgspec.Struct, frozen=True):
    """One operation of the API."""

    name: str
    http: Http
    input: Reference | None = None
    output: Reference | None = None
    errors: tuple[Reference, ...] = ()


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What identifies the service."""

    api_version: str
    protocol: str
    service_id: str
    target_prefix: str | None = None
    """Of ``X-Amz-Target`` in the protocol ``json``."""
    json_version: str | None = None
    protocols: tuple[str, ...] = ()
    """Every protocol that the service speaks, where that is more than one."""
    xml_namespace: str | None = None
    aws_query_compatible: dict[str, str] | None = None
    """There: clients of other protocols are told the errors of ``query`` as well."""


class ServiceModel(msgspec.Struct, frozen=True):
    """Operations and shapes of one service, by name."""

    metadata: Metadata
    operations: dict[str, Operation]
    shapes: dict[str, Shape]

    def __repr__(self) -> str:
        return f"<ServiceModel of {self.metadata.service_id} {self.metadata.api_version}>"

    def input_of(self, operation: Operation) -> Shape | None:
        """The structure an operation takes, None when it takes nothing."""
        return None if operation.input is None else self.shapes[operation.input.shape]

    def output_of(self, operation: Operation) -> Shape | None:
        """The structure an operation answers with, None when it answers with nothing."""
        return None if operation.output is None else self.shapes[operation.output.shape]


def load_service_model(service: str) -> ServiceModel:
    """Read the newest API version of ``service`` (botocore's directory name, such as ``lambda``).

    Raises ``LookupError`` if botocore has no such service, ``msgspec.ValidationError`` if its file is not understood.
    """
    directory = resources.files("botocore").joinpath("data", service)
    if not directory.is_dir():
        raise LookupError(f"botocore has no service model named {service}")
    newest = max((entry for entry in directory.iterdir() if entry.is_dir()), key=lambda entry: entry.name)
    return msgspec.json.decode(_read_description(newest), type=ServiceModel)


def _read_description(version: Traversable) -> bytes:
    plain = version.joinpath("service-2.json")
    if plain.is_file():
        return plain.read_bytes()
    return gzip.decompress(version.joinpath("service-2.json.gz").read_bytes())


# Java's categories, which the patterns use and Python's re does not have, as members of a character class. \w is
# letters, digits and the underscore; every class that names \p{L} in these models allows the underscore anyway.
_CATEGORIES = (
    (r"\p{L}", r"\w"),
    (r"\p{N}", r"\w"),
    (r"\p{Z}", r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"),
)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""A pattern of a service model as Python's ``re``; to be used with ``fullmatch``, as AWS does.

    ``\d`` and ``\w`` mean ASCII in Java, so they do here unless the pattern asks for Unicode categories.
    """
    if r"\p{" not in pattern:
        return re.compile(pattern, re.ASCII)
    for category, members in _CATEGORIES:
        pattern = pattern.replace(category, members)
    return re.compile(pattern)
