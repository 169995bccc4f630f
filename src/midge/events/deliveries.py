"""Destinations and dead letters through the AWS endpoint itself, by boto3: whichever neighbour answers for a service.

A client is made when first needed, for the account and the region of the ARN. boto3 blocks: its calls have threads.
Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from midge.events.port import DeliveryError, Message
from midge.model.arns import Arn, parse_arn
from midge.model.limits import Limits

_SECRET = "local"  # noqa: S105 - no secret: the endpoint on loopback takes any
_MANY_CLIENTS = 64


class AwsDeliveries:
    """See ``port.Deliveries``. ``region`` is that of buckets, whose ARNs name none."""

    def __init__(self, endpoint_url: str, limits: Limits, *, account: str, region: str) -> None:
        self._endpoint_url = endpoint_url
        self._account = account
        self._region = region
        self._seconds = limits.async_delivery_seconds
        self._executor = ThreadPoolExecutor(limits.async_deliveries, thread_name_prefix="midge-deliveries")
        self._lock = Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._senders: dict[str, Callable[[Arn, str, Message], None]] = {
            "sqs": self._to_queue,
            "sns": self._to_topic,
            "events": self._to_bus,
            "s3": self._to_bucket,
        }

    async def send(self, arn: str, message: Message) -> None:
        parsed = parse_arn(arn)
        if parsed is None or parsed.service not in self._senders:
            raise DeliveryError(f"{arn} is no destination")
        work = partial(self._senders[parsed.service], parsed, arn, message)
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except (BotoCoreError, ClientError) as error:
            raise DeliveryError(str(error)) from error

    async def close(self) -> None:
        """Wait for what is being sent."""
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)

    # in a thread

    def _client(self, arn: Arn) -> Any:
        region, account = arn.region or self._region, arn.account or self._account
        key = (arn.service, region, account)
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                if len(self._clients) >= _MANY_CLIENTS:
                    self._clients.clear()
                client = self._clients[key] = self._new_client(arn.service, region, account)
            return client

    def _new_client(self, service: str, region: str, account: str) -> Any:
        # Imported when first needed: it takes a tenth of a second, and ten megabytes that most servers never use.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            connect_timeout=self._seconds,
            read_timeout=self._seconds,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        )
        session: Any = boto3.Session(aws_access_key_id=account, aws_secret_access_key=_SECRET, region_name=region)
        return session.client(service, endpoint_url=self._endpoint_url, config=config)

    def _to_queue(self, arn: Arn, text: str, message: Message) -> None:
        del text
        client = self._client(arn)
        url = client.get_queue_url(QueueName=arn.resource, QueueOwnerAWSAccountId=arn.account)["QueueUrl"]
        client.send_message(
            QueueUrl=url,
            MessageBody=message.body.decode(),
            MessageAttributes=message.attributes or {},
            MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": message.trace_id}},
        )

    def _to_topic(self, arn: Arn, text: str, message: Message) -> None:
        self._client(arn).publish(
            TopicArn=text, Message=message.body.decode(), MessageAttributes=message.attributes or {}
        )

    def _to_bus(self, arn: Arn, text: str, message: Message) -> None:
        entry = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {'Success' if message.success else 'Failure'}",
            "Resources": [message.function_arn, text],
            "Detail": message.body.decode(),
            "EventBusName": text,
            "Time": datetime.fromtimestamp(message.now_seconds, UTC),
        }
        answer = self._client(arn).put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise DeliveryError(str(answer["Entries"]))

    def _to_bucket(self, arn: Arn, text: str, message: Message) -> None:
        del text
        moment = datetime.fromtimestamp(message.now_seconds, UTC)
        key = f"aws/lambda/async/{message.function.name}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        self._client(arn).put_object(Bucket=arn.resource, Key=key, Body=message.body)
