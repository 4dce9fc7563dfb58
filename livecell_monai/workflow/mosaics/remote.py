"""A band of a mosaic as a task for another process: named by paths and plain values alone, so that it can be sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from livecell_monai.data.items import Item
from livecell_monai.workflow.mosaics.predictor import MosaicPredictor


@dataclass(frozen=True)
class MosaicBand:
    """Rows of a mosaic that was begun; bands of one mosaic may be predicted at once, wherever its folders are seen.

    Attributes:
        bundle: the bundle's folder.
        image: the image file, or the address of one of its planes.
        output: the folder of the results, where the mosaic's hidden folder lies.
        settings: values over those of the bundle, in JSON, with which the mosaic was begun.
        top: first row, a multiple of the chunk.
        bottom: the row after the last one, a multiple of the chunk or the height.
    """

    bundle: str
    image: str
    output: str
    settings: str
    top: int
    bottom: int

    def predict(self) -> None:
        """Predict and write the rows; chunks that are on disk already stay as they are.

        Raises:
            LiveCellError: the bundle, the image or the output is not as it was when the mosaic was begun, or not seen here.
        """
        predictor, item = _open(self.bundle, self.image, self.output, self.settings)
        predictor.predict_band(item, self.top, self.bottom)


def split_bands(
    bundle: str, image: str, output: str, settings: Mapping[str, Any], bands: list[tuple[int, int]], rows: int
) -> list[MosaicBand]:
    """The rows that a mosaic lacks, as tasks of at most so many rows.

    Args:
        bundle: the bundle's folder.
        image: the image file, or the address of a plane.
        output: the folder of the results.
        settings: values over those of the bundle.
        bands: rows [top, bottom) that are missing, as `MosaicPredictor.begin` tells.
        rows: a multiple of the chunk; each task looks at one row of windows beside its own.
    """
    given = json.dumps(dict(settings), sort_keys=True)
    return [
        MosaicBand(bundle, image, output, given, first, min(first + rows, bottom))
        for top, bottom in bands
        for first in range(top, bottom, rows)
    ]


@lru_cache(maxsize=1)
def _open(bundle: str, image: str, output: str, settings: str) -> tuple[MosaicPredictor, Item]:
    """The predictor and the mosaic, kept from band to band: weights are loaded once in a process."""
    from livecell_monai.workflow.opening import open_bundle

    own = {"resume": True, "show_progress": False}  # what is there is what this band belongs to
    paths = {"dataset_dir": [image], "output_dir": output}
    parser = open_bundle(bundle, ["inference"], {**json.loads(settings), **own}, paths).parser
    parser.get_parsed_content("fold")
    predictor: MosaicPredictor = parser.get_parsed_content("mosaics")
    return predictor, predictor.mosaics[0]
