"""Tags of functions. Other kinds of resources that AWS lets one tag do not exist here yet and are refused by name.

Tags hold for the function as a whole: they make no new revision, and versions and aliases cannot have any.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html and configuration-tags.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api.control_plane import ControlPlane
from midge.api.names import resolve
from midge.api.services import CallContext
from midge.model.errors import invalid_parameter, not_supported
from midge.model.functions import FunctionId
from midge.model.limits import Limits

_KIND = 5
"""Where an ARN says what kind of resource it names."""


def check_tags(tags: Mapping[str, str], limits: Limits) -> None:
    """Raise InvalidParameterValueException if a resource cannot have these tags, which are all that it would have."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid_parameter("aws: prefixed tag key names are not allowed for external use.")
    if len(tags) > limits.tags:
        raise invalid_parameter("Number of tags exceeds resource tag limit.")


def _function(action: str, arn: str, context: CallContext) -> FunctionId:
    kind = arn.split(":")[_KIND]
    if kind != "function":
        raise not_supported(f"tags of the resource type {kind}")
    named = resolve(action, arn, None, context)
    if named.qualifier is not None:
        raise invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    return named.function


async def tag_resource(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Adds to the tags that are there; a key that is there gets the new value."""
    function = _function("TagResource", values["Resource"], context)
    if not values["Tags"]:
        raise invalid_parameter("An error occurred and the request cannot be processed.")
    lock = plane.locks.of(function)
    async with lock:
        await plane.latest(function)
        settings = await plane.settings(function)
        tags = {**settings.tags, **values["Tags"]}
        check_tags(tags, plane.services.limits)
        await plane.services.store.put_resource(replace(settings, tags=tags))
    return {}


async def untag_resource(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Takes away the tags with these keys; a key that is not there is no error."""
    function = _function("UntagResource", values["Resource"], context)
    lock = plane.locks.of(function)
    async with lock:
        await plane.latest(function)
        settings = await plane.settings(function)
        tags = {key: value for key, value in settings.tags.items() if key not in values["TagKeys"]}
        await plane.services.store.put_resource(replace(settings, tags=tags))
    return {}


async def list_tags(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    function = _function("ListTags", values["Resource"], context)
    await plane.latest(function)
    return {"Tags": dict((await plane.settings(function)).tags)}
