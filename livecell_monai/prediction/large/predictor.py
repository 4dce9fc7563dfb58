"""The mosaics among the images of a prediction: each begun, predicted band by band, finished."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.large.source import LargeImageSource
from livecell_monai.data.large.survey import survey_source
from livecell_monai.errors import DataError, SettingError, TooLargeError
from livecell_monai.outputs.large.chunks import ChunkWriter
from livecell_monai.outputs.large.finished import ENDINGS, open_finished
from livecell_monai.outputs.large.finishing import finish_image
from livecell_monai.outputs.large.folder import LargeImageFolder
from livecell_monai.outputs.large.measures import measure_mask
from livecell_monai.outputs.large.pyramid import list_level_shapes
from livecell_monai.outputs.overwriting import check_outputs
from livecell_monai.prediction.large.band import BandPredictor
from livecell_monai.prediction.large.choosing import choose_large_images, opened
from livecell_monai.prediction.large.record import describe_large_image, grey_of, measure_grey, to_record
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.prediction.writers import SUMMARY, PredictionWriter, Row
from livecell_monai.runs.progress import counting
from livecell_monai.sample import IMAGE, NAME
from livecell_monai.settings import check_setting, select
from livecell_monai.transforms import NormaliseContrast
from livecell_monai.transforms.intensity import sample_step
from livecell_monai.transforms.scale import working_shape

PICTURE = 2048  # pixels, the longest edge of a mosaic's overlay
Bands = list[tuple[int, int]]


class LargeImagePredictor:
    """Predicts what is too large for the memory, beside the engine that predicts the other images.

    A mosaic is an image of more than `megapixels`, in a format that is read part by part. Its mask grows in a hidden folder
    beside the results and takes its name when it is whole. `begin`, `predict_band` and `finish` are the three steps of one;
    bands may be predicted by several processes at once, each with a predictor of its own over the same folder.

    Args:
        items: the images.
        output_dir: folder of the results.
        network: placed on its device; its weights are loaded by the time that a band is predicted.
        inferer: how the network looks at windows.
        device: where the network is.
        checkpoint: the file of the weights.
        settings: by name; those that change a mask must be the same when a run is resumed.
        writer: takes the rows of the table, and draws overlays where they are asked for.
        megapixels: what a mosaic is larger than, in 10^6 pixels.
        form: `tiff` for NAME.ome.tif, `zarr` for NAME.ome.zarr.
        overwrite: write over results of an earlier run.
        resume: go on with what a killed run has left.
        show_progress: a bar with the time left.

    Attributes:
        mosaics: items that are mosaics.
        rest: the others.
        failures: the message for each mosaic that could not be read, by its path.

    Raises:
        SettingError: a setting cannot work with a mosaic, or something would be lost.
    """

    def __init__(
        self,
        items: Sequence[Item],
        output_dir: str | Path,
        network: nn.Module,
        inferer: WindowInferer,
        device: torch.device,
        checkpoint: str | Path,
        settings: Mapping[str, Any],
        writer: PredictionWriter,
        megapixels: float = 64.0,
        form: str = "tiff",
        overwrite: bool = False,
        resume: bool = False,
        show_progress: bool = True,
    ) -> None:
        check_setting("large_image_format", form)
        self.output_dir = Path(output_dir)
        self.network, self.inferer, self.device, self.checkpoint = network, inferer, device, Path(checkpoint)
        self.settings, self.writer, self.form = select(settings, "changes_mask"), writer, form
        self.overwrite, self.resume, self.show_progress = overwrite, resume, show_progress
        self.mosaics, self.rest = choose_large_images(items, megapixels)
        self.failures: dict[Path, str] = {}
        self._started: dict[str, float] = {}
        self._check()

    def run(self, evaluator: Any) -> None:
        """Predict the other images by their engine, then the mosaics one after the other."""
        if self.rest or not self.mosaics:
            evaluator.run()
        for item in self.mosaics:
            bands = self.begin(item)
            if bands is None:
                continue
            count = self.count_windows(item, bands)
            try:
                with counting(f"mosaic {item[NAME]}", "window", count, self.show_progress) as advance:
                    for top, bottom in bands:
                        self.predict_band(item, top, bottom, advance)
            except TooLargeError as error:
                self.failures[Path(item[IMAGE])] = str(error)
            else:
                self.writer.add(self.finish(item))

    def begin(self, item: Item) -> Bands | None:
        """Make a mosaic's hidden folder, or find it, and tell which rows [top, bottom) of the mask are missing.

        None where the image cannot be read; the message is then among the failures, as for other images.

        Raises:
            DataError: the folder cannot be written.
            SettingError: it was begun with something else.
        """
        self._started[item[NAME]] = time.monotonic()
        folder = self._folder(item)
        if self._is_finished(item):
            return []
        with opened(item) as source:
            wanted = describe_large_image(source, self.inferer, self._weights, self.settings)
            begun = folder.read_record() if self.resume else None
            if begun is not None:
                folder.check_same_run(begun, wanted)
                return folder.missing_bands()
            steps = sample_step(source.shape[0] * source.shape[1]), 2 ** self._picture_level(source.shape)
            try:
                survey = survey_source(source, *steps)
            except DataError as error:
                self.failures[Path(item[IMAGE])] = str(error)
                return None
            normalise = NormaliseContrast(self.settings["percentiles"]) if self.settings["normalise"] else None
            record = to_record(wanted, measure_grey(source, survey, normalise), source.stack.pixel_size_um)
            folder.begin(record, source.shape, survey.thumbnail)
        return folder.missing_bands()

    def predict_band(self, item: Item, top: int, bottom: int, advance: Callable[[int], None] = lambda _: None) -> None:
        """Predict rows [top, bottom) of the mask of a mosaic that is begun; chunks that are on disk stay as they are.

        Args:
            item: the mosaic.
            top: a multiple of the chunk.
            bottom: one too, or the height.
            advance: called with the number of windows that are done.

        Raises:
            DataError: a part cannot be read or written, or is too large for the memory.
        """
        folder = self._folder(item)
        with opened(item, self._rows_at_once(item)) as source, ChunkWriter(folder.array(), folder.done()) as writer:
            self._band_predictor(source, folder).predict(top, bottom, writer, advance)

    def missing(self, item: Item) -> Bands:
        """Rows [top, bottom) of the mask of a mosaic that is begun of which a chunk is not on disk yet."""
        return self._folder(item).missing_bands()

    def finish(self, item: Item) -> Row:
        """Give a mosaic whose chunks are all there its pyramid and its name; the row of the table.

        Raises:
            DataError: it cannot be written.
        """
        folder = self._folder(item)
        if self._is_finished(item):
            with open_finished(self.path_of(item)) as mask:
                share, components = measure_mask(mask)
            folder.remove()
        else:
            size = (folder.read_record() or {})["pixel_size_um"]
            pixel_size = None if size is None else (float(size[0]), float(size[1]))
            finished, levels, (share, components) = finish_image(folder, self.form, pixel_size)
            if self.writer.draw is not None:
                small = levels[self._picture_level(levels[0].shape)][:]
                self.writer.draw(self.output_dir / f"{item[NAME]}_overlay.png", folder.thumbnail(), small)
            folder.publish(finished, self.path_of(item))
        seconds = round(time.monotonic() - self._started[item[NAME]], 3)
        return dict(zip(SUMMARY, (item[NAME], round(share, 6), components, seconds), strict=True))

    def count_windows(self, item: Item, bands: Bands) -> int:
        """How many windows some bands of a mosaic that is begun hang on."""
        folder = self._folder(item)
        with opened(item) as source:
            predictor = self._band_predictor(source, folder) if bands else None
            return sum(len(list(predictor.blend(*band).windows())) for band in bands) if predictor else 0

    def path_of(self, item: Item) -> Path:
        """Where the finished mosaic lies."""
        return self.output_dir / f"{item[NAME]}{ENDINGS[self.form]}"

    @cached_property
    def _weights(self) -> str:
        return hash_file(self.checkpoint)

    def _folder(self, item: Item) -> LargeImageFolder:
        return LargeImageFolder(self.output_dir, item[NAME])

    def _is_finished(self, item: Item) -> bool:
        """Whether a run that is gone on with has finished a mosaic already."""
        return self.resume and not self.overwrite and self.path_of(item).exists()

    def _rows_at_once(self, item: Item) -> int:
        with opened(item) as source:
            working = working_shape(source.shape, source.shape, self.settings["scale"])
            return -(-self.inferer.plan(working)[0].size * source.shape[0] // working[0])

    def _band_predictor(self, source: LargeImageSource, folder: LargeImageFolder) -> BandPredictor:
        working = working_shape(source.shape, source.shape, self.settings["scale"])
        grey, threshold = grey_of(folder.read_record() or {}), self.settings["threshold"]
        return BandPredictor(source, grey, working, self.inferer, self.network, self.device, threshold)

    def _picture_level(self, shape: tuple[int, int]) -> int:
        """The first level of the pyramid that is small enough for a picture."""
        return next(level for level, edges in enumerate(list_level_shapes(shape)) if max(edges) <= PICTURE)

    def _check(self) -> None:
        """Refuse what cannot work, or would lose something, ahead of all work."""
        if not self.mosaics:
            return
        path = Path(self.mosaics[0][IMAGE])
        if any(find_spec(name) is None for name in ("zarr", "ome_zarr")):  # what the mask grows in, whatever its last form
            raise SettingError(
                f"{path}: a mosaic needs the libraries zarr and ome-zarr, not installed; pip install 'livecell-monai[zarr]'"
            )
        if self.writer.with_probability:
            raise SettingError(
                f"{path}: --probability must be left out for a mosaic, whose mask alone is written; "
                "or raise tiling_min_megapixels"
            )
        names = [f"{{name}}{ENDINGS[self.form]}", self.writer.table, *(["{name}_overlay.png"] if self.writer.draw else [])]
        check_outputs(self.output_dir, names, self.mosaics, self.overwrite or self.resume)
        for item in self.mosaics:
            folder = self._folder(item)
            if folder.path.exists() and not (self.resume or self.overwrite):
                raise SettingError(
                    f"{self.path_of(item)}: an unfinished mosaic is there; go on by --resume, or begin anew by --overwrite"
                )
