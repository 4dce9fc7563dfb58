"""Training, scores and masks from Python: arrays or paths in, arrays or paths out; `docs/python.md` has examples.

Nothing is printed. Every error that the user can correct is a `livecell_monai.errors.LiveCellError` with a one-line message.
Invalid bundles, data and settings are rejected before anything is written.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from livecell_monai import tasks
from livecell_monai.data.paths import ending_of
from livecell_monai.data.plane_files import write_plane
from livecell_monai.errors import DataError
from livecell_monai.exchange.beside import prepared_data
from livecell_monai.experiments.locate import located
from livecell_monai.packaging.exporting import ExportOptions, export_bundle
from livecell_monai.prediction.segmenter import Mask, open_segmenter
from livecell_monai.prediction.zero_shot import fit_settings
from livecell_monai.runs.atomic import make_folder
from livecell_monai.sample import Pixels
from livecell_monai.tasks import Predictions
from livecell_monai.training.setup import RunContext

__all__ = ["Predictions", "Segmenter", "evaluate", "export_model", "predict", "train"]

Image = str | Path | Pixels  #: a file, or grey values (Y, X)
Annotated = tuple[Sequence[Image], Sequence[Image]]  #: images and their labels (Y, X): 0 background, above 0 a cell
QUIET = {"show_progress": False}


class Segmenter:
    """A trained bundle, loaded once for many images. For one thread at a time.

    Args:
        bundle: the folder that training left, an MLflow run, a registered model (`models:/NAME/VERSION`), or `start`, the
            start that the package ships, which needs no annotated image; or a bioimage.io package or an ONNX file.
        settings: values that override those of the bundle, such as `{"tta_views": 8}`.
        images: some images from which `start` estimates the size of the cells, unless the settings have `cell_diameter`.
    """

    def __init__(self, bundle: str | Path, settings: Mapping[str, Any] | None = None, images: Sequence[Image] = ()) -> None:
        with located(str(bundle)) as folder:
            self._segmenter = open_segmenter(folder, fit_settings(folder, settings, images))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the maps."""
        return self._segmenter.head.channels

    def __call__(self, image: Image) -> Mask:
        """The mask (Y, X) bool of an image, True in cells; a DataError if the image is not one grey plane.

        Its attribute `cells` is the label image (Y, X) int32: 0 is background, each cell has an id from 1.
        """
        return self._segmenter(image)

    def maps(self, image: Image) -> dict[str, Pixels]:
        """The network's maps (Y, X) float32 in [0, 1] by channel, such as the probability `foreground`."""
        return self._segmenter.maps(image)


def train(
    data: str | Path | Annotated,
    output: str | Path,
    minutes: float | None = None,
    settings: Mapping[str, Any] | None = None,
    unlabelled: Sequence[str | Path] = (),
    recipe: str = "planned",
    resume: bool = False,
    progress: Callable[[int, Mapping[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train a network; the output folder becomes a MONAI Bundle, which `Segmenter`, `predict` and `evaluate` open.

    Args:
        data: a data folder, a folder of images with annotations beside them, a datalist, or (images, labels): files or
            arrays (Y, X), at least one pair.
        output: an empty or new folder.
        minutes: time for the whole run; None for the number of epochs in `settings`.
        settings: values of settings by name; `livecell settings` lists them.
        unlabelled: files, folders or globs of images without labels, for pseudo-labels.
        recipe: `planned`, settings follow from the images; `original`, those of the student report.
        resume: resume the interrupted training in the folder if there is one.
        progress: called after each epoch with its number from 1 and its metrics by name; an exception ends the training.

    Returns scores, epochs, seconds and hashes, as in the bundle's metadata.
    """
    given = {**QUIET, **(settings or {}), **({} if minutes is None else {"minutes": minutes})}
    context = RunContext(started=time.monotonic(), on_epoch=progress, resume=resume)
    with _as_data(data, "train", Path(output)) as folder:
        return tasks.train(folder, output, (), given, recipe, unlabelled, context=context)


def evaluate(
    bundle: str | Path,
    data: str | Path | Annotated,
    output: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score a bundle on annotated images that it was not trained on.

    Args:
        bundle: as for `Segmenter`.
        data: a data folder with test/images and test/labels, a datalist, or (images, labels): files or arrays (Y, X).
        output: folder for `scores.csv` and `scores.json`; None to write nothing.
        settings: values that override those of the bundle.
        overwrite: replace the scores of an earlier run.

    Returns by metric the mean over images, its 95 % interval, median and worst, as in `scores.json`.
    """
    given = {**QUIET, **(settings or {})}
    with located(str(bundle)) as folder, _as_data(data, "test") as images, TemporaryDirectory() as unused:
        return tasks.evaluate(folder, images, unused if output is None else output, given, overwrite or output is None)


def predict(
    bundle: str | Path,
    images: Image | Sequence[Image],
    output: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Pixels] | Predictions:
    """Predict masks: as arrays, or as files if an output folder is given.

    Args:
        bundle: as for `Segmenter`.
        images: one image or several. With `output`: files, folders and globs, of any size.
        output: folder for the masks and `summary.csv`; None to get arrays.
        settings: values that override those of the bundle; `{"outputs": [...]}` chooses the files.
        workers: processes that share the images; None for this process. Needs `output` and the extra `dask`.
        progress: called with the number of images that are done, 1 at first.

    Returns without `output` a mask (Y, X) bool for each image; with it the rows of the table, and the images that cannot be
    read, which do not stop the others.
    """
    several = [images] if isinstance(images, str | Path) or (isinstance(images, np.ndarray) and images.ndim == 2) else images
    if output is None:
        segment = Segmenter(bundle, settings, list(several))
        masks: list[Pixels] = []
        for number, image in enumerate(several, start=1):
            masks.append(segment(image))
            if progress is not None:
                progress(number)
        return masks
    paths = [image for image in several if not isinstance(image, np.ndarray)]
    if len(paths) < len(several):
        raise DataError("images: with an output folder they must be files, got arrays; leave output out to get masks")
    with located(str(bundle)) as folder:
        return tasks.predict(folder, paths, output, {**QUIET, **(settings or {})}, workers=workers, progress=progress)


def export_model(
    bundle: str | Path,
    form: str,
    output: str | Path,
    settings: Mapping[str, Any] | None = None,
    image: str | Path | None = None,
    authors: Sequence[str] = (),
    licence: str | None = None,
    overwrite: bool = False,
) -> dict[str, float]:
    """Write a bundle as a model for other programs, if its masks agree with those of the bundle on a test image.

    Args:
        bundle: as for `Segmenter`.
        form: `onnx`, `torchscript`, `bioimageio` (a package) or `openvino`.
        output: the file: .onnx, .pt, .zip, or .xml, whose weights come beside it.
        settings: values that override those of the bundle, such as `{"backend": "int8"}` for `openvino`.
        image: the test image; None for a drawn one.
        authors: of the model; those of the bundle if there are none.
        licence: of the weights, an SPDX identifier; None for Apache-2.0.
        overwrite: replace the file.

    Returns the `iou` of the masks, and the `largest_difference` of the maps.
    """
    own = None if image is None else Path(image)
    options = ExportOptions(Path(bundle).resolve().name, own, authors, licence, settings or {}, overwrite)
    with located(str(bundle)) as folder:
        return export_bundle(folder, form, output, options).facts()


@contextmanager
def _as_data(data: str | Path | Annotated, role: str, output: Path | None = None) -> Iterator[str | Path]:
    """A data folder or datalist as it is, others as `prepared_data`; pairs of arrays or files as a data folder meanwhile."""
    if isinstance(data, str | Path):
        with prepared_data(Path(data), output, role) as prepared:
            yield prepared.path
        return
    images, labels = (list(part) for part in data)
    if len(images) != len(labels) or not images:
        raise DataError(f"data: each image must have one label, got {len(images)} images and {len(labels)} labels")
    with TemporaryDirectory() as name:
        for kind, planes in (("images", images), ("labels", labels)):
            folder = make_folder(Path(name) / "data" / role / kind)
            for number, plane in enumerate(planes):
                _put(plane, folder, f"image_{number:04d}", kind == "labels")
        yield Path(name) / "data"


def _put(plane: Image, folder: Path, name: str, is_label: bool) -> None:
    """Put a plane into a folder: a link to a file, or a TIFF of an array."""
    if isinstance(plane, str | Path):
        source = Path(plane).absolute()
        (folder / f"{name}{ending_of(source)}").symlink_to(source)
        return
    pixels = np.asarray(plane)
    if pixels.ndim != 2:
        raise DataError(f"{name}: an image must be one grey plane (Y, X), got the shape {pixels.shape}; choose a plane")
    write_plane(folder / f"{name}.tif", pixels.astype(np.uint8) if is_label and pixels.dtype == bool else pixels)
