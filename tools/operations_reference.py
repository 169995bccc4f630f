"""Writes docs/operations.md: what becomes of every operation and of every member of its input. Run by ``make docs``."""

from pathlib import Path

from midge.api.coverage import operations_page
from midge.wire.model import load_service_model

if __name__ == "__main__":
    page = Path(__file__).resolve().parents[1] / "docs" / "operations.md"
    page.write_text(operations_page(load_service_model("lambda")), encoding="utf-8")
