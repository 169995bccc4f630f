"""Hostile functions on a real server: the fixtures of the functional tests."""

from functional.conftest import pytest_runtest_makereport, start_midge

__all__ = ["pytest_runtest_makereport", "start_midge"]
