"""Cells in the formats of other programs, see `exchange`: one file or folder for each image or movie."""

import shutil
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from livecell_monai.exchange.base import Format, LabelledPlane, Writer
from livecell_monai.exchange.measurements import to_measurements
from livecell_monai.exchange.registry import FORMATS
from livecell_monai.outputs.base import Files, Output, OutputOptions, Prediction, Row
from livecell_monai.outputs.measured import measure_prediction
from livecell_monai.runs.atomic import remove, temporary_path, writing_errors


class Exchanged(Output):
    """The cells of an image, or of all frames of a movie, in one format.

    An id means another cell in each frame, unless `is_linked`: then it is that of a track, and the cells are not measured.
    Large images are not supported: `livecell export` converts their label images afterwards.
    """

    needs_cells = True

    def __init__(self, form: Format, options: OutputOptions | None = None, is_linked: bool = False) -> None:
        self._form, self._is_linked = form, is_linked
        self.needs_maps = form.measures and not is_linked
        self._as_cellprofiler = options is not None and options.cell_table_names == "cellprofiler"
        self.files = Files(image=(form.target,), movie=(form.target,))
        self._writer: Writer | None = None
        self._temporary = Path()

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write an image or a frame; the file has a temporary name until the last frame is written."""
        cells, frame = prediction.cells, prediction.frame
        assert cells is not None
        path = folder / self._form.target.format(name=prediction.name)
        with writing_errors(path):
            if self._writer is None:
                self._temporary = temporary_path(path)
                self._writer = self._form.open(self._temporary)
            plane = LabelledPlane(prediction.name, cells, pixel_size_um=prediction.pixel_size_um, is_linked=self._is_linked)
            if self.needs_maps and prediction.problem is None:
                found = to_measurements(measure_prediction(prediction, self._as_cellprofiler))
                plane = replace(plane, measurements=found)
            if frame is not None:
                plane = replace(plane, frame=frame.index, frames=frame.frames, interval_min=frame.interval_min)
            self._writer.add(plane)
            if frame is None or frame.is_last:
                writer, self._writer = self._writer, None
                writer.close()
                if path.is_dir():  # of an attempt that another output could not complete
                    shutil.rmtree(path)
                self._temporary.replace(path)
        return {}

    def discard(self) -> None:
        """Delete an incomplete file or folder."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        with suppress(OSError):  # on a full disk, closing fails too
            writer.close()
        if self._temporary.is_dir():
            shutil.rmtree(self._temporary, ignore_errors=True)
        remove(self._temporary)


#: the outputs by the name of their format
EXCHANGED = {
    name: partial(Exchanged, form)  # type: ignore[abstract] # of the protocol, whose methods do nothing by default
    for name, form in FORMATS.items()
    if form.writer
}
