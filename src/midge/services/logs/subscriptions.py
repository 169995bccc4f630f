"""Subscription filters: at most two for a log group, each with a Lambda function of midge as its destination.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from midge.model.arns import parse_arn, parse_function_reference
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.model.logs import LogGroup, SubscriptionFilter
from midge.services.logs.context import (
    Call,
    LogsServices,
    decode_token,
    encode_token,
    existing,
    invalid,
    unsupported,
)
from midge.services.logs.getting import parsed
from midge.services.logs.settings import change_group

_NOT_YET = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFields")


async def put_subscription_filter(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Makes a subscription filter, or changes the one of this name; it sees what is written from now on."""
    for member in _NOT_YET:
        if values.get(member):
            raise unsupported(f"the parameter {member}")
    parsed(values["filterPattern"])
    group, destination = call.group(values["logGroupName"]), values["destinationArn"]
    await services.archive.read(lambda reader: existing(reader, group))
    _check_destination(destination, call)
    if not await services.subscriptions.exists(destination):
        raise invalid(
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your "
            "function."
        )
    made = SubscriptionFilter(
        name=values["filterName"],
        pattern=values["filterPattern"],
        destination_arn=destination,
        created_ms=services.now_ms(),
        distribution=values.get("distribution", "ByLogStream"),
        role_arn=values.get("roleArn"),
    )
    await change_group(services, group, partial(_with, made=made, limits=services.limits))
    return {}


def _check_destination(text: str, call: Call) -> None:
    arn = parse_arn(text)
    if arn is None:
        raise invalid(f"Invalid destinationArn: {text}")
    if arn.service != "lambda":
        raise unsupported(f"destinations of subscription filters of the service {arn.service}")
    if parse_function_reference(text) is None:
        raise invalid(f"Invalid destinationArn: {text}")
    if (arn.account, arn.region) != (call.account, call.region):
        raise invalid("destinationArn for vendor lambda cannot be in another account or region")


def _with(group: LogGroup, *, made: SubscriptionFilter, limits: Limits) -> LogGroup:
    old = next((each for each in group.subscriptions if each.name == made.name), None)
    if old is not None:
        made = replace(made, created_ms=old.created_ms)
    others = tuple(each for each in group.subscriptions if each.name != made.name)
    if len(others) >= limits.log_subscription_filters:
        raise ServiceError("LimitExceededException", "Resource limit exceeded.")
    changed: list[SubscriptionFilter] = [*others, made]
    return replace(group, subscriptions=tuple(sorted(changed, key=_name)))


def _name(subscription: SubscriptionFilter) -> str:
    return subscription.name


async def describe_subscription_filters(
    services: LogsServices, values: Mapping[str, Any], call: Call
) -> dict[str, Any]:
    """Lists a log group's subscription filters by name."""
    group, prefix = call.group(values["logGroupName"]), values.get("filterNamePrefix", "")
    after: str = ""
    if "nextToken" in values:
        (after,) = decode_token(values["nextToken"], str)
    settings: LogGroup = await services.archive.read(lambda reader: existing(reader, group))
    found: list[SubscriptionFilter] = [
        each for each in settings.subscriptions if each.name.startswith(prefix) and each.name > after
    ]
    count: int = values.get("limit", services.limits.log_list_items)
    answer: dict[str, Any] = {
        "subscriptionFilters": [
            {
                "filterName": each.name,
                "logGroupName": settings.name,
                "filterPattern": each.pattern,
                "destinationArn": each.destination_arn,
                "roleArn": each.role_arn,
                "distribution": each.distribution,
                "creationTime": each.created_ms,
            }
            for each in found[:count]
        ]
    }
    if len(found) > count:
        answer["nextToken"] = encode_token(_name(found[count - 1]))
    return answer


async def delete_subscription_filter(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Ends a subscription; what waits to be sent is still sent."""
    await change_group(services, call.group(values["logGroupName"]), partial(_without, name=values["filterName"]))
    return {}


def _without(group: LogGroup, *, name: str) -> LogGroup:
    left = tuple(each for each in group.subscriptions if each.name != name)
    if len(left) == len(group.subscriptions):
        raise ServiceError("ResourceNotFoundException", "The specified subscription filter does not exist.")
    return replace(group, subscriptions=left)
