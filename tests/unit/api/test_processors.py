"""Functions and layers with programs of another processor: refused with the file's name, and nothing is lost."""

import io
import platform
import struct
import zipfile

from api_bench import Bench, make_zip

OWN, FOREIGN = (62, 183) if platform.machine() == "x86_64" else (183, 62)
FOREIGN_NAME = "arm64" if FOREIGN == 183 else "x86_64"


def package(**machines: int) -> bytes:
    """A zip of shared libraries, built for these machines."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, machine in machines.items():
            archive.writestr(f"lib/{name}.so", b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine))
    return buffer.getvalue()


def test_a_package_of_another_processor_is_refused(bench: Bench) -> None:
    """Creation and an update of the code name the file; the function that was there stays as it was."""

    async def scenario(bench: Bench) -> None:
        foreign = package(good=OWN, bad=FOREIGN)
        text = await bench.refused(
            "CreateFunction",
            "InvalidParameterValueException",
            FunctionName="f",
            Runtime="python3.12",
            Handler="a.b",
            Role="arn:aws:iam::000000000000:role/r",
            Code={"ZipFile": foreign},
        )
        assert f"lib/bad.so in the deployment package is built for {FOREIGN_NAME}" in text
        await bench.refused("GetFunction", "ResourceNotFoundException", FunctionName="f")
        before = await bench.created(Code={"ZipFile": package(good=OWN)})
        text = await bench.refused(
            "UpdateFunctionCode", "InvalidParameterValueException", FunctionName="f", ZipFile=foreign
        )
        assert "lib/bad.so" in text
        assert await bench.settle() == before

    bench.run(scenario)


def test_a_layer_of_another_processor_may_be_kept_and_not_used(bench: Bench) -> None:
    """Publishing stores it, as on AWS; a function that is to have it is refused, with the layer's name and the file's."""

    async def scenario(bench: Bench) -> None:
        layer = (await bench.publish_layer("native", package(tool=FOREIGN)))["LayerVersionArn"]
        await bench.created(Code={"ZipFile": make_zip()})
        text = await bench.refused(
            "UpdateFunctionConfiguration", "InvalidParameterValueException", FunctionName="f", Layers=[layer]
        )
        assert f"lib/tool.so in the layer {layer} is built for {FOREIGN_NAME}" in text
        assert "Layers" not in await bench.settle()

    bench.run(scenario)
