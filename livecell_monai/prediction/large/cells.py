"""The cells of a large image, from its finished maps on disk: band by band, as they are in the whole image."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from livecell_monai.cells.bands import BandDecoder
from livecell_monai.cells.decode import Decoding, Labels
from livecell_monai.cells.decoder import DISTANCE
from livecell_monai.cells.fit import fit_decoding
from livecell_monai.cells.measure import Columns, complete_table, measure_alone
from livecell_monai.cells.runs import Runs, find_cell_runs, list_touching, put_above
from livecell_monai.data.large import BlockCache, LargeImageSource
from livecell_monai.network.heads import FOREGROUND
from livecell_monai.outputs.cells import STACK_ENDING
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter, open_level
from livecell_monai.outputs.large.folder import ENDINGS, LargeImageFolder, open_finished
from livecell_monai.prediction.streams import count_streams
from livecell_monai.sample import Pixels, Region

KEPT = 24 * 2**20  # bytes of each map: tiles of one row overlap
LABEL_PATH = "labels/cells"  #: of the label image in the OME-Zarr of a mask


def cells_path(mask: Path) -> Path:
    """The path of the label image beside a mask NAME.ome.tif: NAME_cells.ome.tif."""
    return mask.with_name(f"{mask.name.removesuffix(ENDINGS['tiff'])}{STACK_ENDING}")


def separate_large(
    folder: LargeImageFolder,
    source: LargeImageSource,
    decoding: Decoding,
    pixel_size_um: tuple[float, float] | None,
    as_cellprofiler: bool = False,
) -> Columns:
    """Write the label image of the cells into the hidden folder of a large image; returns their table.

    `as_cellprofiler` is as for `measure_cells`. Raises a DataError if the image cannot be read, or the label image cannot be
    written.
    """
    mask = _open_map(folder.array())
    maps = {name: _open_map(array) for name, array in folder.maps().items()}
    channels = list_channels(source)

    def measure(cells: Labels, place: Region, runs: Runs) -> Columns:
        images = {name: channel.read(place) for name, channel in channels.items()}
        return measure_alone(cells, images, maps[FOREGROUND].read(place), place, source.shape, as_cellprofiler, runs)

    def read_mask(place: Region) -> Pixels:
        return mask.read(place) > 0

    read = maps[DISTANCE].read if DISTANCE in maps else None
    if read is not None:
        decoding = fit_decoding(decoding, source.shape, read_mask, read)
    decoder = BandDecoder(
        source.stack.path,
        source.shape,
        read_mask,
        read,
        decoding,
        measure,
        threads=count_streams(torch.device("cpu")),
    )
    nothing = np.zeros((1, 1), np.int32)
    empty = measure_alone(nothing, dict.fromkeys(channels, nothing), nothing)
    parts: list[Columns] = [empty]
    touching = [np.zeros((2, 0), np.int64)]
    above = find_cell_runs(np.zeros((0, source.shape[1]), np.int32))
    with ChunkWriter(open_level(folder.cells, 0, source.shape, np.uint32)) as writer:
        for band in decoder.bands():
            writer.add(band.top, 0, band.labels.view(np.uint32))
            runs = find_cell_runs(band.labels)
            touching.append(list_touching(put_above(above, runs), not as_cellprofiler))
            above = runs.select(runs.row == len(band.labels) - 1)
            parts.append(band.columns or empty)
            del band, runs  # before the next one is decoded
    joined = {name: np.concatenate([part[name] for part in parts]) for name in empty}
    return complete_table(joined, np.unique(np.concatenate(touching, axis=1), axis=1), pixel_size_um)


def _open_map(array: Any) -> BlockCache:
    """A map (Y, X) in a Zarr array, to be read part by part."""

    def load(place: Region) -> Pixels:
        return np.asarray(array[place.top : place.bottom, place.left : place.right])

    return BlockCache(array.shape, (CHUNK, CHUNK), array.dtype, load, KEPT)


def list_channels(source: LargeImageSource) -> dict[str, LargeImageSource]:
    """The plane in each channel of its file by the name of `Stack.name_channels`, empty for the only one."""
    stack, place = source.stack, source.plane
    if stack.length("C") == 1:
        return {"": source}
    names, lock = stack.name_channels(), source.lock
    return {name: LargeImageSource(stack, place["time"], index, place["z"], lock=lock) for index, name in enumerate(names)}


def read_areas(mask: Path, form: str) -> Columns:
    """The areas of the cells of a finished large image, as its table has them; a DataError if they cannot be read."""
    counts = np.zeros(1, np.int64)
    with open_finished(*((mask, LABEL_PATH) if form == "zarr" else (cells_path(mask),))) as cells:
        for top in range(0, cells.shape[0], CHUNK):
            found = np.bincount(np.asarray(cells[top : top + CHUNK]).ravel())
            counts, found = (np.pad(each, (0, max(len(counts), len(found)) - len(each))) for each in (counts, found))
            counts += found
    return {"area_px": counts[1:]}
