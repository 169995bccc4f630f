"""A function in Python: https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html."""

import logging
from typing import Any

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Greet ``event["name"]``."""
    if not event.get("name"):
        raise ValueError("nobody to greet")
    logger.info("greeting %s", event["name"])
    return {"message": f"Hello, {event['name']}, from Python!", "request": context.aws_request_id}
