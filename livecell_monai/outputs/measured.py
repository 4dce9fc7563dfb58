"""The measurements of the cells of a prediction, made once for all of its outputs."""

from livecell_monai.cells.cellprofiler import to_cellprofiler
from livecell_monai.cells.height import quantise
from livecell_monai.cells.measure import Columns, measure_cells
from livecell_monai.data.readers.kinds import read_channels
from livecell_monai.outputs.base import Prediction


def measure_prediction(prediction: Prediction, as_cellprofiler: bool = False) -> Columns:
    """The columns (N,) of the cells of an image or a frame, as the table of cells names and defines them.

    Intensities are those of the image as it is on disk, of each channel if there are several. `as_cellprofiler` is whether
    the table has the names and definitions of CellProfiler.
    """
    assert prediction.cells is not None
    if as_cellprofiler not in prediction.measured:
        images, probability = read_channels(prediction.source), quantise(prediction.maps["foreground"])
        own = prediction.cells, images, probability, prediction.pixel_size_um
        columns = measure_cells(*own, as_cellprofiler, prediction.cell_runs)
        if as_cellprofiler:
            columns = {to_cellprofiler(name): it for name, it in columns.items()}
        prediction.measured[as_cellprofiler] = columns
    return prediction.measured[as_cellprofiler]
