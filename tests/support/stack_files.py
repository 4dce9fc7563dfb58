"""One movie of channels and planes in every format of stacks, each written by the format's own writer."""

import warnings
from functools import partial

import numpy as np
import tifffile
import zarr

SHAPE = (3, 2, 4, 40, 36)  # T, C, Z, Y, X: no two lengths alike
NAMES = ("DAPI", "GFP")
SIZE_UM, STEP_UM, INTERVAL_MIN = (0.25, 0.5), 2.0, 1.5  # (Y, X) of a pixel, between planes, between frames
HYPERSTACK = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)  # no two pixels alike


def write_ome_tiff(path, pixels=HYPERSTACK, axes="TCZYX", **options):
    notes = {
        "axes": axes,
        **{f"PhysicalSize{axis}": size for axis, size in zip("YXZ", (*SIZE_UM, STEP_UM), strict=True)},
        **{f"PhysicalSize{axis}Unit": "µm" for axis in "YXZ"},
        **({"TimeIncrement": 60 * INTERVAL_MIN, "TimeIncrementUnit": "s"} if "T" in axes else {}),
        **({"Channel": {"Name": list(NAMES)}} if "C" in axes and pixels.shape[axes.index("C")] == 2 else {}),
    }
    tifffile.imwrite(path, pixels, ome=True, photometric="minisblack", metadata=notes, **options)
    return path


def write_imagej(path, pixels=HYPERSTACK):
    """ImageJ keeps no names of channels, and its order of axes is T, Z, C."""
    notes = {"axes": "TZCYX", "unit": "um", "spacing": STEP_UM, "finterval": 60 * INTERVAL_MIN}
    resolution = (1 / SIZE_UM[1], 1 / SIZE_UM[0])
    tifffile.imwrite(path, np.swapaxes(pixels, 1, 2), imagej=True, resolution=resolution, metadata=notes)
    return path


def write_zarr(path, pixels=HYPERSTACK, axes="TCZYX", version="0.5", chunks=None, scale_factors=()):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # ome-zarr 0.18 makes an object of its own deprecated class
        from ome_zarr.format import FormatV04, FormatV05
        from ome_zarr.writer import write_image

    sizes = {"T": INTERVAL_MIN, "Z": STEP_UM, "Y": SIZE_UM[0], "X": SIZE_UM[1]}
    units = {"T": "minute", "Z": "micrometer", "Y": "micrometer", "X": "micrometer"}
    write_image(
        pixels,
        str(path),
        scale_factors=list(scale_factors),
        fmt=FormatV04() if version == "0.4" else FormatV05(),
        axes=list(axes.lower()),
        scale={axis.lower(): sizes.get(axis, 1.0) for axis in axes},
        axes_units={axis.lower(): units[axis] for axis in axes if axis in units},
        storage_options={"chunks": chunks or (*(1,) * (pixels.ndim - 2), 16, 16)},
    )
    group = zarr.open_group(str(path))
    notes = {"channels": [{"label": name, "color": "FFFFFF"} for name in NAMES]}
    if version == "0.4":
        group.attrs["omero"] = notes
    else:
        group.attrs["ome"] = {**group.attrs["ome"], "omero": notes}
    return path


def write_czi(path, pixels=HYPERSTACK, axes="TCZYX"):
    from pylibCZIrw import czi

    with czi.create_czi(str(path)) as writer:
        for index in np.ndindex(pixels.shape[:-2]):
            writer.write(np.ascontiguousarray(pixels[index])[..., None], plane=dict(zip(axes[:-2], index, strict=True)))
        metres = {f"scale_{axis}": size * 1e-6 for axis, size in zip("yxz", (*SIZE_UM, STEP_UM), strict=True)}
        writer.write_metadata("cells", channel_names=dict(enumerate(NAMES)), **metres)
    with czi.open_czi(str(path)) as reader:
        notes = reader.raw_metadata
    times = f"<T><Positions><Interval><Increment>{60 * INTERVAL_MIN}</Increment></Interval></Positions></T>"
    with czi.edit_czi(str(path)) as editor, editor.edit_session() as edited:  # as a microscope notes it
        edited.set_xml(notes.replace("</Channels>", f"</Channels>{times}"))
    return path


WRITERS = {
    "a.ome.tif": write_ome_tiff,
    "a.tif": write_imagej,
    "a.czi": write_czi,
    "a.ome.zarr": write_zarr,
    "old.zarr": partial(write_zarr, version="0.4"),
}
