"""The table of operations against the service model, and its published page."""

from pathlib import Path

import pytest
from api_bench import Bench

from midge.api.coverage import REASONS, input_paths, operations_page, status_of
from midge.api.members import Treatment
from midge.api.operations import ANSWERED_BY_THE_LISTENER, OPERATIONS
from midge.wire.model import load_service_model

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
MODEL = load_service_model("lambda")
NAMES = MODEL.operations


def test_every_operation_that_we_have_exists() -> None:
    """The table names only operations of the service model, each once."""
    assert OPERATIONS.keys() <= NAMES.keys()
    assert NAMES.keys() >= ANSWERED_BY_THE_LISTENER.keys()
    assert not ANSWERED_BY_THE_LISTENER.keys() & OPERATIONS.keys()


@pytest.mark.parametrize("name", [*OPERATIONS, *ANSWERED_BY_THE_LISTENER])
def test_every_member_has_a_treatment(name: str) -> None:
    """An operation has a rule for exactly the members of its input: a new one fails here until somebody decides."""
    rules, paths = status_of(name)[1], set(input_paths(MODEL, name))
    assert {path for path in rules if "." not in path} == {path for path in paths if "." not in path}
    assert rules.keys() <= paths


def test_the_page_of_operations_is_up_to_date() -> None:
    """docs/operations.md is what coverage.operations_page makes of today's service model and table."""
    assert PAGE.read_text("utf-8") == operations_page(MODEL), "make docs"


def test_the_others_are_refused_by_name(bench: Bench) -> None:
    """Every operation that is not in the table answers InvalidParameterValueException with its name."""

    async def scenario(bench: Bench) -> None:
        for name in NAMES.keys() - OPERATIONS.keys():
            message = await bench.refused(name, "InvalidParameterValueException")
            assert message == f"midge does not support the operation {name} yet."

    bench.run(scenario)


@pytest.mark.parametrize("name", REASONS)
def test_what_has_a_reason_to_be_refused_is(name: str) -> None:
    """The page gives reasons only for operations and members that are refused, so none outlives its refusal."""
    if name in NAMES:
        assert status_of(name)[0] == "refused"
    else:
        rules = [operation.rules for operation in OPERATIONS.values()]
        treated = {table[path].treatment for table in rules for path in table if path.rpartition(".")[2] == name}
        assert treated == {Treatment.REFUSED}
