"""Between a FunctionVersion and AWS's wire forms: ``FunctionConfiguration`` out, the members of a request in. Pure."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from midge.api import images, tenancy
from midge.api.members import is_empty
from midge.model.functions import FunctionId, FunctionVersion, Logging

JSON_LEVEL = "INFO"
_HIDDEN = frozenset({"SourceKMSKeyArn"})
"""Kept, but shown elsewhere than in the configuration."""
_STATE_MEMBERS = frozenset(
    {
        "State",
        "StateReason",
        "StateReasonCode",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "RuntimeVersionConfig",
    }
)


def render(version: FunctionVersion, qualifier: str | None = None) -> dict[str, Any]:
    """``FunctionConfiguration`` of ``version``; its ARN carries ``qualifier``, or none. Absent members are left out."""
    function = version.function
    rendered: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": function.arn if qualifier is None else function.qualified_arn(qualifier),
        "Runtime": version.runtime or None,
        "Role": version.role,
        "Handler": version.handler or None,
        "CodeSize": version.code.size_bytes,
        "Description": version.description,
        "Timeout": version.timeout_seconds,
        "MemorySize": version.memory_size_mb,
        "LastModified": version.last_modified,
        "CodeSha256": version.code.sha256,
        "Version": version.version,
        "Environment": {"Variables": dict(version.environment)} if version.environment else None,
        "TracingConfig": {"Mode": "PassThrough"},
        "Layers": [{"Arn": layer.arn, "CodeSize": layer.code.size_bytes} for layer in version.layers] or None,
        "RevisionId": version.revision_id,
        "ConfigSha256": config_sha256(version),
        **_render_state(version),
        "PackageType": "Zip" if version.image is None else "Image",
        "TenancyConfig": tenancy.render(version),
        "ImageConfigResponse": images.render_config(version),
        "Architectures": [version.architecture],
        "EphemeralStorage": {"Size": version.ephemeral_storage_mb},
        "SnapStart": _render_snap_start(version),
        "RuntimeVersionConfig": _render_runtime_version(version),
        "LoggingConfig": _render_logging(version.logging),
        **{name: value for name, value in version.kept.items() if name not in _HIDDEN},
    }
    if "VpcConfig" in version.kept:
        rendered["VpcConfig"] = {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", **version.kept["VpcConfig"]}
    return {name: value for name, value in rendered.items() if value is not None}


def render_listed(version: FunctionVersion, qualifier: str | None = None) -> dict[str, Any]:
    """The subset of ``render`` that ListFunctions and ListVersionsByFunction show."""
    return {name: value for name, value in render(version, qualifier).items() if name not in _STATE_MEMBERS}


def _render_state(version: FunctionVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "State": version.state,
        "StateReason": version.state_reason,
        "StateReasonCode": version.state_reason_code,
    }
    if version.state != "Pending":
        shown |= {
            "LastUpdateStatus": version.last_update_status,
            "LastUpdateStatusReason": version.last_update_status_reason,
            "LastUpdateStatusReasonCode": version.last_update_status_reason_code,
        }
    return shown


def _render_logging(logging: Logging) -> dict[str, Any]:
    shown = {
        "LogFormat": logging.format,
        "ApplicationLogLevel": logging.application_level,
        "SystemLogLevel": logging.system_level,
        "LogGroup": logging.group,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _render_runtime_version(version: FunctionVersion) -> dict[str, Any] | None:
    if version.image is not None:
        return None
    return {"RuntimeVersionArn": runtime_version_arn(version.function.region, version.runtime)}


def runtime_version_arn(region: str, runtime: str) -> str:
    """An identifier of AWS's form for the build of ``runtime``; midge has one build of each."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"


def config_sha256(version: FunctionVersion) -> str:
    """``ConfigSha256``: the same for the same configuration, whatever the code."""
    content: list[Any] = [
        version.runtime, version.handler, version.role, version.description, version.timeout_seconds,
        version.memory_size_mb, version.ephemeral_storage_mb, dict(version.environment), version.architecture,
        version.logging, dict(version.kept), [layer.arn for layer in version.layers],
    ]  # fmt: skip
    if version.image_config is not None:
        content.append(version.image_config)
    if version.snap_start:  # only then: what is kept from before SnapStart keeps its figure
        content.append("SnapStart")
    digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).digest()
    return base64.b64encode(digest).decode("ascii")


def fingerprint(version: FunctionVersion) -> str:
    """Equal for two states of $LATEST exactly when publishing the second would repeat the first."""
    return f"{version.code.sha256} {config_sha256(version)}"


def default_logging(function: FunctionId) -> Logging:
    """What a function has that says nothing about its logs."""
    return Logging(group=f"/aws/lambda/{function.name}")


def _render_snap_start(version: FunctionVersion) -> dict[str, str]:
    on = version.restored and version.state in ("Active", "Inactive")
    return {
        "ApplyOn": "PublishedVersions" if version.snap_start else "None",
        "OptimizationStatus": "On" if on else "Off",
    }


def merge(version: FunctionVersion, values: Mapping[str, Any]) -> FunctionVersion:
    """``version`` with the configuration members that ``values`` gives; the others stay as they are."""
    changes: dict[str, Any] = {
        field: values[member]
        for member, field in (
            ("Runtime", "runtime"),
            ("Handler", "handler"),
            ("Role", "role"),
            ("Description", "description"),
            ("Timeout", "timeout_seconds"),
            ("MemorySize", "memory_size_mb"),
        )
        if values.get(member) is not None
    }
    if (storage := values.get("EphemeralStorage")) is not None:
        changes["ephemeral_storage_mb"] = storage["Size"]
    if (environment := values.get("Environment")) is not None:
        changes["environment"] = dict(environment.get("Variables") or {})
    if (logging := values.get("LoggingConfig")) is not None:
        changes["logging"] = _merge_logging(version.logging, logging)
    if (image_config := values.get("ImageConfig")) is not None:
        changes["image_config"] = images.config_of(image_config)
    if (snap_start := values.get("SnapStart")) is not None:
        changes["snap_start"] = snap_start.get("ApplyOn") == "PublishedVersions"
    if architectures := values.get("Architectures"):
        changes["architecture"] = architectures[0]
    return replace(version, **changes)


def merge_kept(version: FunctionVersion, given: Mapping[str, Any]) -> FunctionVersion:
    """``version`` with the members that are kept in wire form; an empty value clears what was kept."""
    together = {**version.kept, **given}
    return replace(version, kept={name: value for name, value in together.items() if not is_empty(value)})


def _merge_logging(current: Logging, given: Mapping[str, Any]) -> Logging:
    form = given.get("LogFormat") or current.format
    as_json = form == "JSON"
    return Logging(
        format=form,
        group=given.get("LogGroup") or current.group,
        application_level=(given.get("ApplicationLogLevel") or current.application_level or JSON_LEVEL)
        if as_json
        else None,
        system_level=(given.get("SystemLogLevel") or current.system_level or JSON_LEVEL) if as_json else None,
    )
