"""Serves a bundle by MLflow: `mlflow models serve` loads this module and passes it the rows posted to `/invocations`.

    {"dataframe_records": [{"image": "SUkqAA..."}, {"image": [[7, 9, 8], [6, 9, 9]]}]}
    {"predictions": [{"mask": "SUkqAA..."}, {"mask": [[0, 255, 255], [0, 255, 255]]}]}

An image is a TIFF, PNG or JPEG file in base64, or the rows of an array (Y, X). Its mask, 0 and 255, has the same height and
width, and is a TIFF file in base64, or rows. The parameter `output` of a request asks for something else, see `OUTPUTS`; a
file is the one that `livecell predict` writes:

    {"dataframe_records": [{"image": "SUkqAA..."}], "params": {"output": "cells"}}
    {"predictions": [{"cells": "SUkqAA..."}]}

An image that cannot be segmented makes the whole answer a 400 with one line.
"""

import base64
import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tifffile
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from livecell_monai.data.readers.served_images import MAX_PIXELS, write_served_image
from livecell_monai.errors import LiveCellError, SettingError
from livecell_monai.outputs.base import OutputOptions, Prediction
from livecell_monai.outputs.registry import make_outputs
from livecell_monai.prediction.prepared import image_of, pixel_size_of
from livecell_monai.prediction.segmenter import open_segmenter
from livecell_monai.sample import Pixels

IMAGE_COLUMN = "image"
OUTPUT = "output"  #: parameter of a request
#: its values: 0 and 255; float32 in [0, 1] of the foreground; 0 and the ids of cells from 1, uint16 or uint32
OUTPUTS = ("mask", "probability", "cells")
CONFIG = {"most_pixels": MAX_PIXELS}  #: defaults of the keys of MLFLOW_PYFUNC_INFERENCE_CONFIG


class RejectedRequest(MlflowException):  # type: ignore[misc]
    """A request that is answered by 400 and one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, error_code=INVALID_PARAMETER_VALUE)
        self.reason = reason

    def serialize_as_json(self) -> str:
        """The body of the answer; the server adds the posted images to the message, which are removed here."""
        self.message = self.reason
        return str(super().serialize_as_json())


class ServedBundle:
    """A bundle behind MLflow's `predict`, which segments one image of at most `most_pixels` at a time."""

    def __init__(self, bundle: str | Path, most_pixels: int = MAX_PIXELS) -> None:
        if isinstance(most_pixels, bool) or not isinstance(most_pixels, int) or most_pixels < 1:
            raise SettingError(f"most_pixels must be a whole number of 1 or more, got {most_pixels!r}; correct it")
        self.segmenter = open_segmenter(bundle)
        self.most_pixels = most_pixels
        self.lock = threading.Lock()

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[dict[str, str | Pixels]]:
        """One output, `mask` if `params` name none, for each row of a pandas data frame with the column `image`.

        Raises a RejectedRequest for an unknown output, and for the first image that cannot be segmented.
        """
        output = (params or {}).get(OUTPUT, OUTPUTS[0])
        if output not in OUTPUTS:
            raise RejectedRequest(f"params: {OUTPUT} must be one of {', '.join(OUTPUTS)}, got {output!r:.40}; correct it")
        if IMAGE_COLUMN not in model_input:
            given = ", ".join(map(str, model_input)) or "none"
            example = f'{{"dataframe_records": [{{"{IMAGE_COLUMN}": ...}}]}}'
            raise RejectedRequest(
                f"each row must have the column {IMAGE_COLUMN}, got columns: {given[:100]}; post {example}"
            )
        images = model_input[IMAGE_COLUMN].tolist()
        with tempfile.TemporaryDirectory() as folder, self.lock:
            try:
                return [
                    {output: self._answer(image, Path(folder), row, output)} for row, image in enumerate(images, start=1)
                ]
            except LiveCellError as error:
                line = str(error).replace(f"{folder}{os.sep}", "")  # the client does not know the folder
                raise RejectedRequest(line) from error

    def _answer(self, image: object, folder: Path, row: int, output: str) -> str | Pixels:
        """An output of an image, as a file in base64 or as an array."""
        path = write_served_image(image, folder, f"image_{row}", self.most_pixels)
        sample = self.segmenter.prepare(path)
        path.unlink()
        planes = self.segmenter.maps_of(image_of(sample))
        mask, maps = self.segmenter.mask_of(planes)[0].numpy(), self.segmenter.name_maps(planes)
        (writer,) = make_outputs([output], OutputOptions()).values()
        cells = self.segmenter.decoder(mask, maps) if writer.needs_cells else None
        prediction = Prediction(f"{output}_{row}", path, mask, maps, pixel_size_of(sample), seconds=0.0, cells=cells)
        writer.write(prediction, folder)
        answer = folder / writer.files.image[0].format(name=prediction.name)
        found = base64.b64encode(answer.read_bytes()).decode("ascii") if isinstance(image, str) else tifffile.imread(answer)
        answer.unlink()
        return found


def _load_pyfunc(data_path: str, model_config: Mapping[str, Any] | None = None) -> ServedBundle:
    """Load a model from its bundle and a config with keys of `CONFIG`; MLflow calls this function by name."""
    config = {**CONFIG, **(model_config or {})}
    unknown = sorted(set(config) - set(CONFIG))
    if unknown:
        raise SettingError(f"the model's config must have no other keys than {', '.join(CONFIG)}, got {unknown}; correct it")
    return ServedBundle(data_path, **config)
