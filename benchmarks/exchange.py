"""What the export of cells costs: seconds of the clock and of the processor by format, of one image with many cells.

Run: `python benchmarks/exchange.py [CELLS]`; 10,000 cells by default, ragged ones, so that their outlines are long. Times
are those of `export_labels`: reading the label image and tracing the outlines are included. The goal is 10 s a format.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from livecell_monai.data.plane_files import write_plane
from livecell_monai.exchange.exporting import export_labels
from livecell_monai.exchange.registry import FORMATS
from livecell_monai.sample import Pixels

CELLS, GOAL_S = 10_000, 10
SPACING, RADIUS, RAGGED = 40, 12, 6  # px: between the middles of cells, of a cell, of how far its outline is moved


def draw_cells(count: int, seed: int = 0) -> Pixels:
    """A label image (Y, X) uint16, or uint32 of more than 65,535 cells, with ragged discs in a grid."""
    generator = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(count)))
    size = side * SPACING
    noise = ndimage.gaussian_filter(generator.standard_normal((size, size), np.float32), 1.5)
    rows, columns = (place.astype(np.int32) for place in np.ogrid[:size, :size])
    away = np.hypot(rows % SPACING - SPACING // 2, columns % SPACING - SPACING // 2)
    number = rows // SPACING * side + columns // SPACING + 1
    inside = (away + RAGGED * noise / noise.std() / 2 < RADIUS) & (number <= count)
    return np.where(inside, number, 0).astype(np.uint16 if count < 2**16 else np.uint32)


def measure(folder: Path, name: str) -> tuple[float, float, int]:
    """Seconds of the clock, seconds of this process, and megabytes that a format needs."""
    start, used = time.perf_counter(), time.process_time()
    done = export_labels(folder / "labels", folder / name, [name])
    taken = time.perf_counter() - start, time.process_time() - used
    bytes_ = sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
    assert done.images == 1
    return *taken, round(bytes_ / 1e6)


def main() -> None:
    """Measure and print a line for each format."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CELLS
    slow = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = draw_cells(count)
        (folder / "labels").mkdir()
        write_plane(folder / "labels" / "a.tif", labels)
        print(f"{len(np.unique(labels)) - 1:,} cells, {labels.shape[0]} x {labels.shape[1]} pixels")
        for form in (each for each in FORMATS.values() if each.writer):
            clock, process, size = measure(folder, form.name)
            print(f"{form.name:12} {clock:6.1f} s, {process:6.1f} s of the processor, {size:4} MB")
            if process > GOAL_S:
                slow.append(form.name)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"most memory: {most:.0f} MB; above {GOAL_S} s of the processor: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
