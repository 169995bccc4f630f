"""Takes orders from a queue with Powertools for AWS Lambda: logger, tracer, metrics, parser, batch and idempotency.

https://docs.aws.amazon.com/powertools/python/latest/
"""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.parser.models import SqsRecordModel
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Json, PositiveInt

logger = Logger(service="orders")
tracer = Tracer(service="orders")
metrics = Metrics(namespace="Shop", service="orders")
charges = DynamoDBPersistenceLayer(table_name=os.environ["CHARGES_TABLE"])
once = IdempotencyConfig(event_key_jmespath="id", expires_after_seconds=3600)


class Order(BaseModel):
    """What a message has to hold."""

    id: str
    price: PositiveInt


class OrderRecord(SqsRecordModel):
    """A message with an order in it."""

    body: Json[Order]


processor = BatchProcessor(event_type=EventType.SQS, model=OrderRecord)


@idempotent_function(data_keyword_argument="order", config=once, persistence_store=charges)
@tracer.capture_method
def charge(order: Order) -> dict[str, Any]:
    """Take the money: once for each order, however often its message comes."""
    tracer.put_annotation(key="order", value=order.id)
    metrics.add_metric(name="Charged", unit=MetricUnit.Count, value=order.price)
    logger.info("charged", extra={"order": order.id, "price": order.price})
    return {"order": order.id, "paid": order.price}


def process(record: OrderRecord) -> dict[str, Any]:
    """One message; what is raised here brings it back to the queue, and it alone."""
    return charge(order=record.body)


@logger.inject_lambda_context(log_event=False)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A batch of messages; answers which of them failed."""
    once.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=process, processor=processor, context=context)
