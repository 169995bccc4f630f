"""What a function is: its name, its versions with their configuration, its aliases, and what holds for all of it.

Records are immutable; a change makes a new record with a new revision id.
Source: ``FunctionConfiguration`` and ``AliasConfiguration`` in the ``lambda`` service model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from midge.model.resources import Place

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionId:
    """A function's identity; two functions of one name in two regions or accounts are strangers."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    def qualified_arn(self, qualifier: str) -> str:
        return f"{self.arn}:{qualifier}"

    def place(self, qualifier: str | None = None) -> Place:
        """Of what is attached to the function or, with ``qualifier``, to one version or alias of it."""
        return Place(account=self.account, region=self.region, owner=self.name, name=qualifier or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A deployment package: the blob that holds the zip, and what AWS reports of it."""

    digest: str
    """Hex SHA-256 of the zip: its key in ``blobs`` and the name of its unpacked directory."""
    sha256: str
    """The same digest in base64, as ``CodeSha256`` reports it."""
    size_bytes: int
    unzipped_bytes: int | None = None
    """Of all files together; None in records from before it was counted."""
    extensions: tuple[str, ...] = ()
    """Names of the files in its directory ``extensions``: as a layer's, these are started beside the runtime."""
    foreign_file: tuple[str, str] | None = None
    """A program or library that this machine cannot run, and the processor that it is built for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionImage:
    """A container image: what was asked for, what it was found to be, and what its own configuration says."""

    uri: str
    """As the caller gave it."""
    resolved_uri: str
    """The same with the digest of the image that it named then."""
    digest: str
    """Of its manifest, ``sha256:...``: exactly this image is run, whatever the name means later."""
    root: str
    """The name of the directory that its layers are unpacked into; images with the same layers share one."""
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def code(self) -> Code:
        """What AWS reports of it as code: the digest in hex, and no size."""
        return Code(digest=self.root, sha256=self.digest.removeprefix("sha256:"), size_bytes=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """``ImageConfig``: what a function sets in the place of its image's own configuration; None, or empty, where it does not."""

    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionLayer:
    """A layer version as a function has it: it keeps the code also when the layer version has been deleted."""

    arn: str
    code: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """``LoggingConfig``; the levels are None unless the format is JSON."""

    format: str = "Text"
    group: str
    application_level: str | None = None
    system_level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionVersion:
    """One version of a function with everything that decides how it runs."""

    function: FunctionId
    version: str
    runtime: str
    handler: str
    role: str
    code: Code
    logging: Logging
    description: str = ""
    timeout_seconds: int = 3
    memory_size_mb: int = 128
    ephemeral_storage_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    architecture: str = "x86_64"
    tenant_isolation: str = ""
    """``PER_TENANT``, or nothing; fixed when the function is created."""
    snap_start: bool = False
    """``SnapStart`` applies to its published versions: a numbered version is restored from a snapshot."""
    layers: tuple[FunctionLayer, ...] = ()
    """In the order in which they are laid over each other: of two that have the same file the later one's counts."""
    image: FunctionImage | None = None
    """Of a function with ``PackageType`` Image; it has no runtime and no handler then, and ``code`` is the image's."""
    image_config: ImageConfig | None = None
    kept: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Members in wire form: those that only describe AWS's surroundings (VpcConfig, KMSKeyArn, TracingConfig ...), and
    DeadLetterConfig."""
    revision_id: str
    last_modified: str
    """AWS's format: 2026-11-23T19:00:00.000+0000"""
    state: str = "Pending"
    state_reason: str | None = None
    state_reason_code: str | None = None
    last_update_status: str = "Successful"
    last_update_status_reason: str | None = None
    last_update_status_reason_code: str | None = None
    published_from: str = ""
    """Of a numbered version: the fingerprint of the $LATEST that it was published from."""

    @property
    def arn(self) -> str:
        """The ARN that names this version; $LATEST is qualified as well."""
        return self.function.qualified_arn(self.version)

    @property
    def dead_letter_target(self) -> str | None:
        """The ARN of the queue or topic that gets the events which it failed to process."""
        config: Mapping[str, str] = self.kept.get("DeadLetterConfig") or {}
        return config.get("TargetArn") or None

    @property
    def layer_digests(self) -> tuple[str, ...]:
        """The zips of its layers, in order: what decides how its /opt looks."""
        return tuple(layer.code.digest for layer in self.layers)

    @property
    def restored(self) -> bool:
        """Whether its environments are restored from a snapshot."""
        return self.snap_start and self.version != LATEST

    @property
    def settled(self) -> bool:
        """Whether nothing is going on with it."""
        return self.state != "Pending" and self.last_update_status != "InProgress"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """What holds for a function as a whole, whichever version runs; changing it makes no new revision."""

    function: FunctionId
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    reserved_concurrency: int | None = None
    """Executions at once that are this function's alone, and its most; 0 lets nothing run."""
    recursive_loop: str = "Terminate"
    """Or ``Allow``."""
    code_signing_config_arn: str | None = None

    @property
    def place(self) -> Place:
        return self.function.place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name for one version, or for two with weights."""

    function: FunctionId
    name: str
    version: str
    description: str = ""
    additional_version_weights: Mapping[str, float] = field(default_factory=dict[str, float])
    """At most one more version and its share of the invocations, 0.0 to 1.0."""
    revision_id: str

    @property
    def arn(self) -> str:
        return self.function.qualified_arn(self.name)
