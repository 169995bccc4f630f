"""Deploys the function and tries it: ``AWS_ENDPOINT_URL=http://127.0.0.1:4566 python examples/thumbnail/deploy.py``.

With a file's path behind it that photograph is used, else one that is computed. The package is app.py and the Pillow
that this interpreter has, so the function's runtime is this interpreter's version.
"""

import io
import json
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
from photograph import photograph


def package() -> bytes:
    """app.py and Pillow as a deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(Path(__file__).with_name("app.py"), "app.py")
        for file in metadata.files("pillow") or ():
            if file.suffix != ".pyc":
                archive.write(Path(str(file.locate())), str(file))
    return buffer.getvalue()


def main(picture: bytes | None = None) -> None:
    """Create bucket and function, send a photograph through it and say what came out."""
    s3, functions = boto3.client("s3"), boto3.client("lambda")
    s3.create_bucket(Bucket="photographs")
    s3.put_object(Bucket="photographs", Key="garden.jpg", Body=picture or photograph())
    functions.create_function(
        FunctionName="thumbnail",
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/thumbnail",
        Code={"ZipFile": package()},
        Timeout=30,
        MemorySize=512,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="thumbnail")
    event: dict[str, Any] = {"bucket": "photographs", "key": "garden.jpg", "thumbnail": "garden-small.jpg"}
    answer = functions.invoke(FunctionName="thumbnail", Payload=json.dumps(event))
    print(answer["Payload"].read().decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else None)
