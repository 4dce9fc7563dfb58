"""What a file holds, read from its bytes by our own hands; None where they are damaged or it is beyond us.

Nothing here shares code with the readers under test: of TIFF, PNG and NIfTI the headers are taken apart anew, and pixels
come from zlib, Zstandard and LZW alone.
"""

import gzip
import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fuzz.ifd import Layout, Tag, read_layout, values_of
from fuzz.png import decode_png
from fuzz.seed import Seed

MOST = 10**6  # pixels: a larger image is beyond us
_KINDS = {1: "u", 2: "i", 3: "f"}
_NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}


@dataclass(frozen=True)
class Told:
    """What a header tells.

    Attributes:
        size: (Y, X) pixels.
        pixels: (Y, X) values, None where they are beyond us.
        is_whole: False where it is sure that pixels are missing.
    """

    size: tuple[int, int]
    pixels: NDArray[Any] | None = None
    is_whole: bool = True


def read_truth(seed: Seed) -> list[Told]:
    """The planes of a file in the order in which they lie in it; empty where nothing can be said."""
    if seed.kind in ("TIFF", "OME-XML"):
        return read_pages(seed.data)
    if seed.kind == "PNG":
        pixels = decode_png(seed.data, MOST)
        if pixels is not None:
            return [Told((pixels.shape[0], pixels.shape[1]), pixels)]
        size = (int.from_bytes(seed.data[20:24], "big"), int.from_bytes(seed.data[16:20], "big"))
        # a grey PNG that is damaged by what the standard says is none, whatever is still to be seen of it
        return [Told(size, is_whole=size[0] * size[1] > MOST)] if seed.data[25:26] == b"\0" else []
    if seed.kind == "JPEG":
        return _read_jpeg(seed.data)
    return _read_nifti(seed.data) if seed.kind == "NIfTI" else []


def _read_jpeg(data: bytes) -> list[Told]:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return [Told((picture.height, picture.width))]
    except Exception:  # whatever Pillow raises
        return []


def _read_nifti(data: bytes) -> list[Told]:
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(10 * MOST)
                if file.read(1):
                    return []  # too much for us
        except (OSError, EOFError, zlib.error):
            return [Told((0, 0), is_whole=False)]
    if len(data) < 348:
        return [Told((0, 0), is_whole=False)]
    order = next((order for order in "<>" if struct.unpack_from(f"{order}i", data)[0] in (348, 540)), None)
    if order is None:
        return []
    if struct.unpack_from(f"{order}i", data)[0] == 540:
        dims, (code,) = struct.unpack_from(f"{order}8q", data, 16), struct.unpack_from(f"{order}h", data, 12)
        offset, slope, shift = struct.unpack_from(f"{order}qdd", data, 168)
    else:
        dims, (code,) = struct.unpack_from(f"{order}8h", data, 40), struct.unpack_from(f"{order}h", data, 70)
        offset, slope, shift = struct.unpack_from(f"{order}fff", data, 108)
    width, height = dims[1], dims[2] if dims[0] > 1 else 1
    if code not in _NIFTI_TYPES or not 0 < width * height <= MOST or not 0 <= offset < 2**31:
        return [Told((height, width))]
    dtype = np.dtype(f"{order}{_NIFTI_TYPES[code]}")
    start, count = max(int(offset), 0), width * height
    if start + count * dtype.itemsize > len(data):
        return [Told((height, width), is_whole=False)]
    stored = np.frombuffer(data, dtype, count, start).reshape(height, width)
    scaled = np.isfinite(slope) and slope != 0 and np.isfinite(shift) and (slope, shift) != (1, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        return [Told((height, width), stored.astype(np.float64) * slope + shift if scaled else stored)]


def read_pages(data: bytes) -> list[Told]:
    """The images of a TIFF, one a directory."""
    layout = read_layout(data)
    if layout is None:
        return []
    pages = [_read_page(data, layout, tags) for _, tags in layout.directories]
    if b"ImageJ=" in data[:4096] and pages:  # whose planes lie behind the first one, whatever the other directories say
        return [*pages, Told(pages[0].size)]
    return pages


def _read_page(data: bytes, layout: Layout, tags: dict[int, Tag]) -> Told:
    def one(code: int, default: int) -> int:
        return (values_of(data, layout, tags.get(code)) or (default,))[0]

    width, height = one(256, 0), one(257, 0)
    size, bits = (height, width), values_of(data, layout, tags.get(258), (1,))
    kind = _KINDS.get(one(339, 1))
    is_tiled = 322 in tags
    segment = (one(323, 0), one(322, 0)) if is_tiled else (min(one(278, 2**32 - 1), height), width)
    offsets = values_of(data, layout, tags.get(324 if is_tiled else 273))
    counts = values_of(data, layout, tags.get(325 if is_tiled else 279))
    plain = len(bits) == 1 and bits[0] in (8, 16, 32, 64) and one(277, 1) == 1 and one(266, 1) == 1 and one(284, 1) == 1
    if not plain or kind is None or not 0 < height * width <= MOST or not 0 < segment[0] * segment[1] <= MOST:
        return Told(size)
    if (kind, bits[0]) in (("f", 8),) or one(32997, 1) != 1:
        return Told(size)
    across, down = -(-width // segment[1]), -(-height // segment[0])
    if len(offsets) < across * down or len(counts) < across * down:
        return Told(size, is_whole=not offsets or not counts)
    pixels = np.zeros((down * segment[0], across * segment[1]), np.dtype(f"{kind}{bits[0] // 8}"))
    for number in range(across * down):
        top, left = number // across * segment[0], number % across * segment[1]
        rows = segment[0] if is_tiled else min(segment[0], height - top)
        if not offsets[number] and not counts[number]:
            continue  # left out on purpose
        needed = rows * segment[1] * pixels.dtype.itemsize
        count = needed if one(259, 1) == 1 else counts[number]  # pixels that are all there are, whatever the count says
        stored = data[offsets[number] : offsets[number] + count]
        if len(stored) < count:
            return Told(size, is_whole=False)
        decoded = _decode(stored, one(259, 1), one(317, 1), layout.order, pixels.dtype, (rows, segment[1]))
        if isinstance(decoded, bool):
            return Told(size, is_whole=decoded)
        pixels[top : top + rows, left : left + segment[1]] = decoded
    whole = pixels[:height, :width]
    if one(262, 1) == 0 and kind == "u":
        whole = np.iinfo(whole.dtype).max - whole
    return Told(size, whole)


def _decode(
    stored: bytes, compression: int, predictor: int, order: str, dtype: np.dtype[Any], shape: tuple[int, int]
) -> NDArray[Any] | bool:
    """The values of a strip or tile; True where it is beyond us, False where it is damaged or too short."""
    needed = shape[0] * shape[1] * dtype.itemsize
    if predictor not in (1, 2) or compression not in (1, 8, 32946, 5, 50000) or (predictor == 2 and dtype.kind == "f"):
        return True
    try:
        if compression in (8, 32946):
            plain = zlib.decompressobj().decompress(stored, needed + 1)
        elif compression == 50000:
            plain = bytes(imagecodecs.zstd_decode(stored))
        else:
            plain = stored if compression == 1 else bytes(imagecodecs.lzw_decode(stored))
    except Exception:  # whatever a decoder raises
        return False
    if len(plain) < needed:
        return False
    values = np.frombuffer(plain, np.dtype(order + dtype.str[1:]), shape[0] * shape[1]).reshape(shape).astype(dtype)
    return np.cumsum(values, axis=1, dtype=dtype) if predictor == 2 else values
