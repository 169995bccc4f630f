"""How a log group's settings are changed, and which tags it may have."""

from collections.abc import Callable, Mapping

from midge.log_store.files import LogFiles
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.model.logs import LogGroup, LogGroupId
from midge.services.logs.context import LogsServices, invalid, no_group


def check_tags(tags: Mapping[str, str], limits: Limits) -> None:
    """Raise if a log group cannot have these tags, which are all that it would have."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("aws: prefixed tag key names are not allowed for external use.")
    if len(tags) > limits.tags:
        raise ServiceError("TooManyTagsException", "The maximum number of tags for a resource has been exceeded.")


async def change_group(services: LogsServices, group: LogGroupId, change: Callable[[LogGroup], LogGroup]) -> None:
    """Set a log group anew, on disk when this returns.

    Raises ResourceNotFoundException, and what ``change`` raises, which runs in the log writer's thread.
    """

    def work(files: LogFiles) -> None:
        found = files.group(group)
        if found is None:
            raise no_group()
        changed = change(found)
        if changed != found:
            files.put_group(group, changed)

    await services.archive.change(work)
