"""Real Terraform with the real AWS provider: every aws_lambda_* resource and data source that it has.

Applied, changed, imported and destroyed, with a plan in between that must find nothing to do: whatever midge answers
differently from what it was told would show there as drift.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional.server import Midge, clean_environment, make_zip
from harness import oci
from harness.image_runtime import image_runtime
from harness.oci import directory, file, layer

CONFIGURATION = Path(__file__).parent / "terraform" / "main.tf"
SECONDS = 300
NOTHING_TO_DO, CHANGES = 0, 2
HANDLER = "import os, shared\n\ndef handler(event, context):\n    return [event, os.environ['STEP'], shared.VALUE]\n"
IMPORTED = {
    "aws_lambda_function.from_s3": "from-s3",
    "aws_lambda_alias.live": "main/live",
    "aws_lambda_permission.s3": "main:live/s3-1",
    "aws_lambda_provisioned_concurrency_config.live": "main,live",
    "aws_lambda_runtime_management_config.main": "main,$LATEST",
    "aws_lambda_function_recursion_config.main": "main",
    "aws_lambda_function_event_invoke_config.main": "main:live",
    "aws_lambda_function_url.main": "main/live",
}
"""What is imported by a name; what is imported by an identifier of midge's making is added by the test."""
BY_ATTRIBUTE = {
    "aws_lambda_code_signing_config.signing": "arn",
    "aws_lambda_event_source_mapping.queue": "uuid",
    "aws_lambda_event_source_mapping.table": "uuid",
    "aws_lambda_event_source_mapping.stream": "uuid",
}


needs_terraform = pytest.mark.needs("terraform", "terraform-aws-provider", "namespaces")


class Terraform:
    """One working directory."""

    def __init__(self, directory: Path, endpoint: str, configuration: Path = CONFIGURATION, **given: str) -> None:
        """``given``: further variables of the configuration."""
        self._directory = directory
        directory.mkdir()
        shutil.copy(configuration, directory)
        (directory / "package.zip").write_bytes(make_zip({"app.py": HANDLER}))
        (directory / "layer.zip").write_bytes(make_zip({"python/shared.py": "VALUE = 'from the layer'\n"}))
        files = {name: str(directory / f"{name}.zip") for name in ("package", "layer")}
        self._variables = clean_environment(
            TF_IN_AUTOMATION="1",
            TF_VAR_endpoint=endpoint,
            CHECKPOINT_DISABLE="1",
            **{f"TF_VAR_{name}": value for name, value in {**files, **given}.items()},
        )
        self.run("init", f"-plugin-dir={os.environ['TF_PLUGIN_DIR']}")

    def run(self, *arguments: str, expect: int = NOTHING_TO_DO, step: int | None = None) -> str:
        """One command; fails the test with Terraform's words if it ends otherwise than expected."""
        variables = self._variables if step is None else {**self._variables, "TF_VAR_step": str(step)}
        result = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=self._directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert result.returncode == expect, f"terraform {arguments[0]}:\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def apply(self, step: int) -> dict[str, Any]:
        """Make it so; what the data sources found."""
        self.run("apply", "-auto-approve", step=step)
        return json.loads(self.run("output", "-json", "found"))

    def expect_no_drift(self, step: int) -> None:
        """A plan finds nothing to do."""
        self.run("plan", "-detailed-exitcode", step=step)

    def resources(self) -> dict[str, dict[str, Any]]:
        """Every managed resource by address, with its attributes."""
        state = json.loads(self.run("show", "-json"))
        found = state["values"]["root_module"]["resources"]
        return {each["address"]: each["values"] for each in found if each["mode"] == "managed"}


def provider_offers(terraform: Terraform) -> tuple[set[str], set[str]]:
    """The types of resources and data sources for Lambda that the provider has."""
    (schemas,) = json.loads(terraform.run("providers", "schema", "-json"))["provider_schemas"].values()
    kinds = schemas["resource_schemas"], schemas["data_source_schemas"]
    resources, looked_up = ({name for name in kind if name.startswith("aws_lambda_")} for kind in kinds)
    return resources, looked_up


def nothing_is_left(midge: Midge) -> None:
    """What Terraform has destroyed is gone from the server as well."""
    client = midge.client()
    assert client.list_functions()["Functions"] == []
    assert client.list_layers()["Layers"] == []
    assert client.list_event_source_mappings()["EventSourceMappings"] == []
    assert client.list_code_signing_configs()["CodeSigningConfigs"] == []


@needs_terraform
def test_everything_that_terraform_knows_of_lambda(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Apply, change and destroy leave no drift and nothing behind, for every resource and data source there is."""
    midge = start_midge()  # numbers of versions go on after a function is deleted, and the configuration names one
    terraform = Terraform(tmp_path / "work", midge.endpoint)
    resources, looked_up = provider_offers(terraform)
    text = CONFIGURATION.read_text("utf-8")
    assert {name for name in resources if f'resource "{name}"' in text} == resources
    assert {name for name in looked_up if f'data "{name}"' in text} == looked_up

    for step in (1, 2):
        found = terraform.apply(step)
        assert found["invoked"] == found["recorded"] == [{"step": step}, str(step), "from the layer"]
        assert found["timeout"] == 10 + step
        assert set(found["functions"]) == {"main", "from-s3"}
        assert {found["alias"], found["signing"], found["layer"]} == {f"step {step}"}
        terraform.expect_no_drift(step)
    terraform.run("destroy", "-auto-approve", step=2)
    nothing_is_left(midge)


@needs_terraform
def test_what_is_there_can_be_imported(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Resources that Terraform has forgotten are taken up again by their identifiers, and then there is no drift."""
    midge = start_midge()  # numbers of versions go on after a function is deleted, and the configuration names one
    terraform = Terraform(tmp_path / "work", midge.endpoint)
    terraform.apply(1)
    known = terraform.resources()
    by_id = {address: known[address][name] for address, name in BY_ATTRIBUTE.items()}
    imported = {**IMPORTED, **by_id}
    terraform.run("state", "rm", *imported)
    blocks = [f'import {{\n  to = {address}\n  id = "{identifier}"\n}}\n' for address, identifier in imported.items()]
    (tmp_path / "work" / "imports.tf").write_text("".join(blocks))
    # The apply also takes up what no provider can read back: where a function's code came from.
    said = terraform.run("apply", "-auto-approve", step=1)
    (summary,) = [line for line in said.splitlines() if line.startswith("Apply complete!")]
    reasons = [line for line in said.splitlines() if "replaced" in line or "forces" in line]
    assert f" {len(imported)} imported, 0 added" in summary, reasons
    terraform.expect_no_drift(1)
    terraform.run("destroy", "-auto-approve", step=1)
    nothing_is_left(midge)


@needs_terraform
@pytest.mark.needs("gcc")
def test_functions_that_are_images(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """A function of a container image, with all of its image's settings, is applied, changed and destroyed without drift."""
    runtime = layer(file("entry", image_runtime(), 0o755), directory("here"), directory("bin"))
    images = {
        f"step{step}": oci.image(runtime, layer(file("step", b"%d" % step)), config={"Cmd": ["/entry"]})
        for step in (1, 2)
    }
    layout = oci.write_layout(tmp_path / "layout", images)
    midge = start_midge(MIDGE_IMAGES_DIRECTORIES=str(tmp_path))
    terraform = Terraform(tmp_path / "work", midge.endpoint, CONFIGURATION.with_name("image.tf"), image=f"oci:{layout}")
    for step in (1, 2):
        assert terraform.apply(step) == {"argv": f"/entry step {step}", "code": f"oci:{layout}:step{step}"}
    terraform.expect_no_drift(2)
    terraform.run("destroy", "-auto-approve", step=2)
    nothing_is_left(midge)
