"""Managed runtimes whose environments have a container image as their root: AWS's base images, for instance.

Their environments start with the image's own entry point, given the handler, as AWS's base images expect it; those of
``provided`` runtimes with the function's bootstrap. Everything else is the catalogue's.
"""

from collections.abc import Iterator, Mapping

from midge.images.errors import ImageError
from midge.images.images import Images
from midge.images.layers import prepare_for_packages
from midge.runtimes import provided
from midge.runtimes.catalogue import Catalogue
from midge.sandbox.port import RootImage
from midge.sandbox.program import Layout, Program


class ImagedCatalogue(Mapping[str, Program]):
    """``catalogue``, with some of its runtimes replaced by images, by AWS's names."""

    def __init__(self, catalogue: Catalogue, images: Mapping[str, RootImage]) -> None:
        self._catalogue = catalogue
        self._programs = {name: _program(image, name) for name, image in images.items()}

    def __getitem__(self, name: str) -> Program:
        return self._programs.get(name) or self._catalogue[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._programs
        yield from (name for name in self._catalogue if name not in self._programs)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def check(self, runtime: str, architecture: str) -> None:
        """As the catalogue's; a runtime that is an image needs nothing of this machine."""
        if runtime not in self._programs:
            self._catalogue.check(runtime, architecture)


class RuntimeImageError(Exception):
    """The image of a runtime cannot be had; the text says of which, and why."""


async def pull_roots(wanted: Mapping[str, str], images: Images) -> dict[str, RootImage]:
    """The images named, by runtime, pulled and kept for good. Raises RuntimeImageError."""
    roots: dict[str, RootImage] = {}
    for name, uri in wanted.items():
        try:
            image = await images.resolve(uri)
            images.hold(image.root)
            place = await images.unpacked(image)
            prepare_for_packages(place)
        except (ImageError, OSError) as error:
            raise RuntimeImageError(f"the image of the runtime {name} cannot be had: {error}") from error
        roots[name] = RootImage(
            root=place,
            command=image.entry_point,
            working_directory=image.working_directory,
            environment=image.environment,
        )
    return roots


def _program(image: RootImage, name: str) -> Program:
    own = provided.runtime(name).program if name in provided.NAMES else None
    return Program(
        layout=Layout(binds=()),
        command=() if own is None else own.command,
        layer_command=() if own is None else own.layer_command,
        environment={},
        image=image,
    )
