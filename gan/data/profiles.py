"""ICC profiles: whether pictures can be converted from them."""

import io
from functools import lru_cache

from PIL import ImageCms


# A transform takes 4 ms for RGB and 40 ms for CMYK; most files of a dataset have the same profile.
@lru_cache(maxsize=16)
def is_usable(profile: bytes, mode: str) -> bool:
    """Whether Little CMS, which libvips uses too, converts from a profile.

    Args:
        profile: content of the profile.
        mode: Pillow's mode of the picture: RGB or CMYK.
    """
    try:
        ImageCms.buildTransform(io.BytesIO(profile), ImageCms.createProfile("sRGB"), mode, "RGB")
    except ImageCms.PyCMSError:
        return False
    return True
