"""How long it takes to open a movie of 100 frames of 1024 x 1024 and to read all of it, by format.

Run: `python benchmarks/reading_stacks.py [FOLDER]`. Each frame is read as a prediction reads it, through its address, with
the checks of an image. The file is written just before: it lies in the memory of the system, so that the figure is that of
opening and decoding. FOLDER, such as `$LIVECELL_DATA/t98g_movie`, is read beside it, one file a frame.
"""

import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import tifffile

from livecell_monai.data.dataset.items import list_prediction_items
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_image

FRAMES, SIZE, ROUNDS = 100, 1024, 3


def write_movies(folder: Path) -> None:
    """The same noise in each format that can be written: 12 bit, as cameras have it."""
    from pylibCZIrw import czi

    movie = np.random.default_rng(0).poisson(900, (FRAMES, SIZE, SIZE)).astype(np.uint16)
    notes = {"ome": True, "photometric": "minisblack", "metadata": {"axes": "TYX"}}
    tifffile.imwrite(folder / "plain.ome.tif", movie, **notes)
    tifffile.imwrite(folder / "deflated.ome.tif", movie, compression="zlib", **notes)
    tifffile.imwrite(folder / "tiles.ome.tif", movie, compression="zlib", tile=(256, 256), **notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr.writer import write_image

        options = {"chunks": (1, 256, 256)}
        write_image(movie, str(folder / "chunks.zarr"), scale_factors=[], axes=["t", "y", "x"], storage_options=options)
    with czi.create_czi(str(folder / "plain.czi")) as writer:
        for index, frame in enumerate(movie):
            writer.write(frame[..., None], plane={"T": index})


def time_reading(path: Path) -> tuple[float, float, float]:
    """Milliseconds to open a file, to list its frames, and to read one of them: the last two by frame."""
    start = time.perf_counter()
    if path.suffix:
        with open_stack(path):
            pass
    opened = time.perf_counter()
    items = list_prediction_items(path)
    listed = time.perf_counter()
    for item in items:
        read_image(Path(item["image"]))
    done = time.perf_counter()
    return (opened - start) * 1e3, (listed - opened) * 1e3 / len(items), (done - listed) * 1e3 / len(items)


def main() -> None:
    """Print a line for each format."""
    with tempfile.TemporaryDirectory() as folder:
        write_movies(Path(folder))
        for path in [*sorted(Path(folder).iterdir()), *map(Path, sys.argv[1:])]:
            rounds = [time_reading(path) for _ in range(ROUNDS)]
            opened, listed, read = (statistics.median(values) for values in zip(*rounds, strict=True))
            print(f"{path.name}: opened in {opened:.1f} ms; a frame: listed {listed:.2f} ms, read {read:.2f} ms", flush=True)


if __name__ == "__main__":
    main()
