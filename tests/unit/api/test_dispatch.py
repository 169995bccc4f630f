"""The table of operations against the service model, and its published page."""

from pathlib import Path

from api_bench import Bench

from midge.api.coverage import operations_page
from midge.api.dispatch import ANSWERED_BY_THE_LISTENER, OPERATIONS
from midge.wire.model import load_service_model

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
NAMES = load_service_model("lambda").operations


def test_every_operation_that_we_have_exists() -> None:
    """The table names only operations of the service model, each once."""
    assert OPERATIONS.keys() <= NAMES.keys()
    assert NAMES.keys() >= ANSWERED_BY_THE_LISTENER
    assert not ANSWERED_BY_THE_LISTENER & OPERATIONS.keys()


def test_the_page_of_operations_is_up_to_date() -> None:
    """docs/operations.md is what coverage.operations_page makes of today's service model and table."""
    assert PAGE.read_text("utf-8") == operations_page(NAMES), "write operations_page's text to docs/operations.md"


def test_the_others_are_refused_by_name(bench: Bench) -> None:
    """Every operation that is not in the table answers InvalidParameterValueException with its name."""

    async def scenario(bench: Bench) -> None:
        for name in NAMES.keys() - OPERATIONS.keys():
            message = await bench.refused(name, "InvalidParameterValueException")
            assert message == f"midge does not support the operation {name} yet."

    bench.run(scenario)
