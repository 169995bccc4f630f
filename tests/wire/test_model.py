"""The service model as midge reads it, against botocore's loader."""

import subprocess
import sys
import unicodedata

import pytest
from botocore.loaders import Loader

from midge.wire.model import ServiceModel, compile_pattern, load_service_model


def test_the_api_has_91_operations(model: ServiceModel) -> None:
    """The operations are those that midge's promises were made for; a new one in botocore must be looked at."""
    assert len(model.operations) == 91


def test_the_model_is_what_botocores_loader_gives(model: ServiceModel) -> None:
    """Reading botocore's file without its loader loses no operation, no shape and no member."""
    loaded = Loader().load_service_model("lambda", "service-2")
    assert model.metadata.api_version == loaded["metadata"]["apiVersion"]
    assert model.metadata.protocol == "rest-json"
    assert {name: operation.http.request_uri for name, operation in model.operations.items()} == {
        name: operation["http"]["requestUri"] for name, operation in loaded["operations"].items()
    }
    assert {name: (shape.type, list(shape.members)) for name, shape in model.shapes.items()} == {
        name: (shape["type"], list(shape.get("members", ()))) for name, shape in loaded["shapes"].items()
    }


def test_reading_the_model_imports_none_of_botocores_code() -> None:
    """Loading the model imports no module of botocore but its empty package, which keeps 18 MiB out of memory."""
    code = (
        "import sys\nfrom midge.wire.model import load_service_model\nload_service_model('lambda')\n"
        "print(sorted(name for name in sys.modules if name.startswith('botocore.')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_an_unknown_service_is_told() -> None:
    """A service that botocore does not know is a LookupError, not an empty model."""
    with pytest.raises(LookupError, match="no-such-service"):
        load_service_model("no-such-service")


def test_every_pattern_compiles(model: ServiceModel) -> None:
    """Python's re understands every pattern of the model."""
    compiled = [shape.regex for shape in model.shapes.values() if shape.pattern is not None]
    assert len(compiled) > 80
    assert None not in compiled


def test_unicode_categories_mean_what_java_means() -> None:
    r"""\p{L}, \p{N} and \p{Z} accept exactly the characters of those categories."""
    letters, separators = compile_pattern(r"[\p{L}\p{N}_]"), compile_pattern(r"[\p{Z}]")
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)[0]
        assert bool(letters.fullmatch(character)) == (category in "LN" or character == "_"), hex(code)
        assert bool(separators.fullmatch(character)) == (category == "Z"), hex(code)


def test_digits_are_ascii() -> None:
    r"""\d accepts ASCII digits only, as in Java."""
    assert compile_pattern(r"\d+").fullmatch("12")
    assert not compile_pattern(r"\d+").fullmatch("١٢")
