"""Tags of functions and of the resources that AWS lets one tag beside them.

Tags of a function hold for it as a whole: they make no new revision, and versions and aliases cannot have any.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html and configuration-tags.html
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from midge.api.control_plane import ControlPlane
from midge.api.names import name_in, resolve
from midge.api.services import CallContext
from midge.model.capacity_providers import CapacityProvider
from midge.model.code_signing import CodeSigningConfig
from midge.model.errors import ServiceError, invalid_parameter, not_supported
from midge.model.event_source_mappings import EventSourceMapping
from midge.model.functions import FunctionId
from midge.model.limits import Limits
from midge.model.resources import Place

Tags = Mapping[str, str]
Tagged = CodeSigningConfig | CapacityProvider | EventSourceMapping

_KIND = 5
"""Where an ARN says what kind of resource it names."""
TAGGED: Mapping[str, type[Tagged]] = {
    "code-signing-config": CodeSigningConfig,
    "capacity-provider": CapacityProvider,
    "event-source-mapping": EventSourceMapping,
}
"""What stands alone and has tags, by the word in its ARN."""


def check_tags(tags: Tags, limits: Limits) -> None:
    """Raise InvalidParameterValueException if a resource cannot have these tags, which are all that it would have."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid_parameter("aws: prefixed tag key names are not allowed for external use.")
    if len(tags) > limits.tags:
        raise invalid_parameter("Number of tags exceeds resource tag limit.")


async def tag_resource(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Adds to the tags that are there; a key that is there gets the new value."""

    def added(tags: Tags) -> Tags:
        together = {**tags, **values["Tags"]}
        check_tags(together, plane.services.limits)
        return together

    if not values["Tags"]:
        raise invalid_parameter("An error occurred and the request cannot be processed.")
    await _change(plane, "TagResource", values["Resource"], context, added)
    return {}


async def untag_resource(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Takes away the tags with these keys; a key that is not there is no error."""

    def left(tags: Tags) -> Tags:
        return {key: value for key, value in tags.items() if key not in values["TagKeys"]}

    await _change(plane, "UntagResource", values["Resource"], context, left)
    return {}


async def list_tags(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    arn: str = values["Resource"]
    if _is_function(arn):
        function = _function("ListTags", arn, context)
        await plane.latest(function)
        return {"Tags": dict((await plane.settings(function)).tags)}
    kind, place = _resource("ListTags", arn, context)
    return {"Tags": dict((await _found(plane, kind, place, arn)).tags)}


async def _change(
    plane: ControlPlane, action: str, arn: str, context: CallContext, change: Callable[[Tags], Tags]
) -> None:
    store = plane.services.store
    if _is_function(arn):
        function = _function(action, arn, context)
        lock = plane.locks.of(function)
        async with lock:
            await plane.latest(function)
            settings = await plane.settings(function)
            await store.put_resource(replace(settings, tags=change(settings.tags)))
        return
    kind, place = _resource(action, arn, context)
    lock = plane.resource_locks.of(place)
    async with lock:
        resource = await _found(plane, kind, place, arn)
        await store.put_resource(replace(resource, tags=change(resource.tags)))


def _is_function(arn: str) -> bool:
    return arn.split(":")[_KIND] == "function"


def _function(action: str, arn: str, context: CallContext) -> FunctionId:
    named = resolve(action, arn, None, context)
    if named.qualifier is not None:
        raise invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    return named.function


def _resource(action: str, arn: str, context: CallContext) -> tuple[type[Tagged], Place]:
    word = arn.split(":")[_KIND]
    if word not in TAGGED:
        raise not_supported(f"tags of the resource type {word}")
    name = name_in(arn, action, context)
    return TAGGED[word], Place(account=context.account, region=context.region, name=name)


async def _found(plane: ControlPlane, kind: type[Tagged], place: Place, arn: str) -> Tagged:
    found = await plane.services.store.resource(kind, place)
    if found is None:
        raise ServiceError("ResourceNotFoundException", f"Resource not found: {arn}", Type="User")
    return found
