"""A photograph that belongs to nobody: light, haze and grain computed here, saved as a camera would save it.

It has the size of a camera's picture, its noise (so that it compresses like one), and the camera's habit of storing
the picture sideways with a note on how to turn it. No picture had to be put into the repository for it.
"""

import io

from PIL import Image, ImageChops, ImageFilter

WIDTH, HEIGHT = 2400, 1600
"""As stored; seen upright it is the other way round."""
_ORIENTATION, _MAKE = 0x0112, 0x010F
_TURN_RIGHT = 6


def photograph() -> bytes:
    """A JPEG of some megabytes' worth of pixels."""
    size = (WIDTH, HEIGHT)
    sky = Image.linear_gradient("L").resize(size)
    sun = ImageChops.invert(Image.radial_gradient("L")).resize(size)
    haze = Image.effect_noise((WIDTH // 40, HEIGHT // 40), 90).resize(size, Image.Resampling.BICUBIC)
    haze = haze.filter(ImageFilter.GaussianBlur(12))
    red = ImageChops.screen(sun, Image.blend(sky, haze, 0.3))
    green = Image.blend(ImageChops.add(sun, sky, 2.0), haze, 0.4)
    blue = Image.blend(ImageChops.invert(sky), haze, 0.2)
    grain = Image.merge("RGB", [Image.effect_noise(size, 14) for _ in range(3)])
    picture = Image.blend(Image.merge("RGB", (red, green, blue)), grain, 0.12)
    exif = Image.Exif()
    exif[_MAKE] = "midge"
    exif[_ORIENTATION] = _TURN_RIGHT
    output = io.BytesIO()
    picture.save(output, "JPEG", quality=90, exif=exif)
    return output.getvalue()
