"""Valid files of every flavour that the readers take or refuse with a reason, small ones."""

import gzip
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from fuzz.png import write_png
from fuzz.seed import Seed, read_seed

SHAPE = (40, 36)  # (Y, X) pixels: no two lengths alike, and none divides the other

_TIFFS: dict[str, tuple[str, dict[str, Any]]] = {
    "8 bit in strips": ("uint8", {"rowsperstrip": 7}),
    "8 bit in one strip": ("uint8", {"rowsperstrip": 40}),
    "16 bit big-endian": ("uint16", {"byteorder": ">", "rowsperstrip": 9}),
    "16 bit in tiles": ("uint16", {"tile": (16, 16)}),
    "signed 16 bit": ("int16", {"rowsperstrip": 16}),
    "32 bit": ("uint32", {}),
    "float": ("float32", {"rowsperstrip": 11}),
    "double": ("float64", {"byteorder": ">"}),
    "BigTIFF in tiles": ("uint16", {"bigtiff": True, "tile": (16, 32)}),
    "white is zero": ("uint8", {"photometric": "miniswhite"}),
    "deflate": ("uint8", {"compression": "zlib", "rowsperstrip": 7}),
    "deflate with predictor": ("uint16", {"compression": "zlib", "predictor": 2, "rowsperstrip": 8}),
    "deflate in tiles": ("uint16", {"compression": "zlib", "tile": (16, 16)}),
    "deflate of floats": ("float32", {"compression": "zlib", "predictor": 3, "tile": (16, 16)}),
    "old deflate": ("uint8", {"compression": 32946}),
    "LZW": ("uint8", {"compression": "lzw", "rowsperstrip": 7}),
    "LZW with predictor": ("uint16", {"compression": "lzw", "predictor": 2, "byteorder": ">"}),
    "PackBits": ("uint8", {"compression": "packbits", "rowsperstrip": 7}),
    "JPEG inside": ("uint8", {"compression": "jpeg", "tile": (16, 16)}),
    "Zstandard": ("uint16", {"compression": "zstd", "rowsperstrip": 8}),
    "LZMA": ("uint16", {"compression": "lzma"}),
    "WebP in RGB": ("rgb", {"compression": "webp", "photometric": "rgb"}),
    "PNG inside": ("uint16", {"compression": "png"}),
    "JPEG 2000 inside": ("uint8", {"compression": "jpeg2000"}),
    "bilevel": ("bool", {"photometric": "minisblack"}),
    "RGB": ("rgb", {"photometric": "rgb"}),
    "RGB in planes": ("rgb planes", {"photometric": "rgb", "planarconfig": "separate"}),
}


def picture(dtype: str = "uint8", shape: tuple[int, ...] = SHAPE, seed: int = 0) -> NDArray[Any]:
    """Grey values that differ from pixel to pixel and compress a little, of any type."""
    generator = np.random.default_rng(seed)
    values = np.cumsum(generator.integers(0, 5, shape), axis=-1) + 3 * np.arange(shape[-2])[:, None] % 100
    if dtype == "bool":
        return values % 7 > 2
    return (values % 250).astype(dtype) * (1 if dtype in ("uint8", "int8") else np.array(37).astype(dtype))


def list_seeds() -> list[Seed]:
    """All of them; those of formats whose library is an extra only where it is installed."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = Path(folder)
        return [*_tiffs(), *_stacks(), *_pictures(), *_niftis(), *_zarrs(root), *_czis(root), _nd2()]


def _tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def _tiffs() -> list[Seed]:
    seeds = []
    for flavour, (dtype, options) in _TIFFS.items():
        if dtype.startswith("rgb"):
            pixels = np.stack([picture(seed=seed) for seed in range(3)], axis=0 if "planes" in dtype else -1)
        else:
            pixels = picture(dtype)
        data = _tiff(pixels, **({"photometric": "minisblack", "metadata": None} | options))
        seeds.append(Seed("TIFF", flavour, ".tif", {"": data}))
    return seeds


def _stacks() -> list[Seed]:
    pixels = picture("uint16", (3, 2, *SHAPE))
    ome = {"axes": "TCYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "TimeIncrement": 60.0}
    ome |= {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm", "Channel": {"Name": ["DAPI", "GFP"]}}
    grey = {"photometric": "minisblack"}
    pyramid = io.BytesIO()
    with tifffile.TiffWriter(pyramid) as writer:
        writer.write(picture("uint16", (80, 64)), subifds=1, tile=(16, 16), compression="zlib", metadata=None, **grey)
        writer.write(picture("uint16", (40, 32)), subfiletype=1, tile=(16, 16), compression="zlib", metadata=None)
    resolution = {"resolution": (2.0, 4.0), "metadata": {"axes": "TYX", "unit": "um", "finterval": 60.0}}
    return [
        Seed("TIFF", "several pages", ".tif", {"": _tiff(pixels[:, 0], metadata=None, **grey)}),
        Seed("TIFF", "stack with a shape", ".tif", {"": _tiff(pixels[:, 0], compression="zlib", **grey)}),
        Seed("TIFF", "ImageJ stack", ".tif", {"": _tiff(pixels[:, 0], imagej=True, **resolution)}),
        Seed(
            "TIFF", "OME-TIFF of one plane", ".ome.tif", {"": _tiff(pixels[0, 0], ome=True, metadata={"axes": "YX"}, **grey)}
        ),
        Seed(
            "TIFF",
            "OME-TIFF movie",
            ".ome.tif",
            {"": _tiff(pixels[:, :1], ome=True, metadata=ome | {"Channel": {"Name": "a"}}, **grey)},
        ),
        Seed(
            "TIFF",
            "OME-TIFF of channels",
            ".ome.tif",
            {"": _tiff(pixels, ome=True, metadata=ome, compression="zlib", **grey)},
        ),
        Seed("TIFF", "pyramid", ".tif", {"": pyramid.getvalue()}),
    ]


def _pictures() -> list[Seed]:
    def save(pixels: NDArray[Any], kind: str, **options: Any) -> dict[str, bytes]:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, **options)
        return {"": stream.getvalue()}

    palette = io.BytesIO()
    Image.fromarray(picture()).convert("P").save(palette, "PNG")
    rgb = np.stack([picture(seed=seed) for seed in range(3)], axis=-1)
    seeds = [
        Seed("PNG", "8 bit", ".png", save(picture(), "PNG")),
        Seed("PNG", "16 bit", ".png", save(picture("uint16"), "PNG")),
        Seed("PNG", "bilevel", ".png", save(picture("bool"), "PNG")),
        Seed("PNG", "RGB", ".png", save(rgb, "PNG")),
        Seed("PNG", "palette", ".png", {"": palette.getvalue()}),
        Seed("JPEG", "grey", ".jpg", save(picture(), "JPEG", quality=90)),
        Seed("JPEG", "progressive", ".jpeg", save(picture(), "JPEG", progressive=True)),
        Seed("JPEG", "RGB", ".jpg", save(rgb, "JPEG")),
    ]
    for bits in (1, 2, 4, 8, 16):
        pixels = (picture().astype(np.uint16) * 257) >> (16 - bits)
        for interlaced in (False, True):
            flavour = f"{bits} bit{', interlaced' if interlaced else ''}, in two chunks"
            seeds.append(Seed("PNG", flavour, ".png", {"": write_png(pixels, bits, interlaced)}))
    return seeds


def _niftis() -> list[Seed]:
    seeds = []
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        for dtype in ("uint8", "int16", "uint16", "float32", "float64"):
            for order in "<>":
                header = (nibabel.Nifti1Header if kind is nibabel.Nifti1Image else nibabel.Nifti2Header)(endianness=order)
                header.set_data_dtype(dtype)
                header.set_xyzt_units("micron")
                data = kind(picture(dtype).T, np.eye(4), header).to_bytes()
                flavour = f"{kind.__name__} {dtype} {'little' if order == '<' else 'big'}-endian"
                seeds.append(Seed("NIfTI", flavour, ".nii", {"": data}))
                seeds.append(Seed("NIfTI", f"{flavour}, gzip", ".nii.gz", {"": gzip.compress(data, mtime=0)}))
    scaled = bytearray(seeds[2].data)
    scaled[112:120] = np.array([2.0, 10.0], "<f4").tobytes()
    stack = nibabel.Nifti1Image(picture("int16", (3, *SHAPE)).T, np.eye(4)).to_bytes()
    return [
        *seeds,
        Seed("NIfTI", "scaled", ".nii", {"": bytes(scaled)}),
        Seed("NIfTI", "stack", ".nii", {"": stack}),
    ]


def _zarrs(root: Path) -> list[Seed]:
    try:
        from ome_zarr.format import FormatV04, FormatV05
        from ome_zarr.writer import write_image
    except ImportError:
        return []
    seeds = []
    for version, form in (("0.4", FormatV04()), ("0.5", FormatV05())):
        for axes in ("yx", "tyx"):
            path = root / f"{version}{axes}.ome.zarr"
            pixels = picture("uint16", (*((3,) if axes == "tyx" else ()), *SHAPE))
            chunks = {"chunks": (*((1,) if axes == "tyx" else ()), 16, 16)}
            write_image(pixels, str(path), scale_factors=[], fmt=form, axes=list(axes), storage_options=chunks)
            seeds.append(read_seed("OME-Zarr", f"{version} {axes}", ".ome.zarr", path))
    return seeds


def _czis(root: Path) -> list[Seed]:
    try:
        from pylibCZIrw import czi
    except ImportError:
        return []
    path = root / "a.czi"
    with czi.create_czi(str(path)) as writer:
        writer.write(np.ascontiguousarray(picture("uint16"))[..., None], plane={"C": 0})
        writer.write_metadata("cells", channel_names={0: "GFP"}, scale_x=5e-7, scale_y=5e-7)
    return [read_seed("CZI", "one plane", ".czi", path)]


def _nd2() -> Seed:
    """No valid one, which nothing free of charge writes: the file's signature and its map of chunks."""
    start = b"\xda\xce\xbe\x0a\x20\x00\x00\x00" + bytes(8) + b"ND2 FILE SIGNATURE CHUNK NAME01!Ver3.0"
    body = b"ND2 FILEMAP SIGNATURE NAME 0001!" + bytes(64)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + (len(start)).to_bytes(8, "little")
    return Seed("ND2", "a signature alone", ".nd2", {"": start.ljust(4096, b"\0") + body + end})
