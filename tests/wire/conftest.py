"""What the wire tests share: the model of the Lambda API, read once, and its routes."""

import pytest

from midge.wire.model import ServiceModel, load_service_model
from midge.wire.routing import Router


@pytest.fixture(scope="session")
def model() -> ServiceModel:
    return load_service_model("lambda")


@pytest.fixture(scope="session")
def router(model: ServiceModel) -> Router:
    return Router(model)
