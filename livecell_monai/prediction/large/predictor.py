"""Predicts large images, each band by band."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from livecell_monai.cells.height import quantise
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.errors import DataError, SettingError, TooLargeError
from livecell_monai.outputs.base import LargePrediction, Row
from livecell_monai.outputs.large.chunks import ChunkWriter
from livecell_monai.outputs.large.folder import ENDINGS, LargeImageFolder, open_finished
from livecell_monai.outputs.large.pyramid import build_cell_pyramid, build_pyramid, survey_mask
from livecell_monai.outputs.overwriting import check_distinct, check_name_lengths, check_outputs
from livecell_monai.prediction.large.cells import cells_path, read_areas, separate_large
from livecell_monai.prediction.large.image import (
    LargeImage,
    PartialSteps,
    check_preprocessing,
    measure_large_image,
    picture_level,
    survey_large_image,
)
from livecell_monai.prediction.large.selection import choose_large_images, describe_large_image, open_source
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.prediction.writers import PredictionWriter, explain_failure
from livecell_monai.runs.ledger import STARTED_WITH
from livecell_monai.runs.progress import counting
from livecell_monai.sample import FRAMES, IMAGE, NAME, OWN
from livecell_monai.settings import select
from livecell_monai.transforms.scale import working_shape

Bands = list[tuple[int, int]]  #: rows [top, bottom)


class LargeImagePredictor:
    """Predicts the images that are too large for the memory; an engine predicts the others.

    An image above `tiling_min_megapixels` is large, if its format can be read part by part. Its mask grows in a hidden
    folder in the output folder, and gets its name when it is complete. The steps are `begin`, `predict_band` and `finish`.
    Several processes may predict bands at once, each with its own predictor over the same folder.
    The settings are all settings by name. The weights of the segmenter may be loaded later, before the first band.

    Raises a SettingError if a setting does not allow large images, or a file would be overwritten.
    """

    def __init__(
        self,
        items: Sequence[Item],
        segmenter: Segmenter,
        checkpoint: str | Path,
        settings: Mapping[str, Any],
        writer: PredictionWriter,
    ) -> None:
        self.segmenter, self.checkpoint, self.settings = segmenter, Path(checkpoint), settings
        self.writer, self.output_dir = writer, writer.folder
        self.large, self.rest = choose_large_images(items, settings["tiling_min_megapixels"])
        self.failures: dict[Path, str] = {}  # the message for each large image that could not be read
        self._start_times: dict[str, float] = {}
        if self.large:
            self._check()
        writer.run.keep_large(self.large, writer.large_files())

    def run(self, evaluator: Any) -> None:
        """Predict the other images with their engine, then the large ones one after the other."""
        self.mark_replaced()
        if is_alone := bool(self.large) and not self.rest:
            self.writer.find_earlier()  # no engine does it
        else:
            evaluator.run()
        for item in self.large:
            bands = self.begin(item)
            if bands is None:
                continue
            count = self.count_windows(item, bands)
            try:
                with counting(f"large image {item[NAME]}", "window", count, self.settings["show_progress"]) as advance:
                    for top, bottom in bands:
                        self.predict_band(item, top, bottom, advance)
            except TooLargeError as error:
                self.failures[Path(item[IMAGE])] = str(error)
            else:
                self.complete(item)
        if is_alone:
            self.writer.remove_earlier()

    def mark_replaced(self) -> None:
        """Note on disk which finished masks are to be replaced, so that a resumed run does not keep them."""
        for item in self.large if self.settings["overwrite"] else ():
            self._folder(item).mark(self.path_of(item))

    def begin(self, item: Item) -> Bands | None:
        """Create the hidden folder of a large image, or open it to resume; the bands of the mask that are missing.

        None if the image cannot be read; the message is then in `failures`.

        Raises:
            DataError: the folder cannot be written.
            SettingError: the image was started with other settings.
        """
        self._start_times[item[NAME]] = time.monotonic()
        folder = self._folder(item)
        if self._is_finished(item):
            return []
        with open_source(item) as source:
            steps = self._steps(item)
            settings = {**select(self.settings, "changes_mask"), OWN: {}, **steps.own}
            description = describe_large_image(source, self.segmenter.inferer, hash_file(self.checkpoint), settings)
            if self.settings["resume"] and folder.read_record() is not None:
                folder.ledger.check_same(description)
                return folder.missing_bands()
            try:
                survey = survey_large_image(source)
            except DataError as error:
                folder.unmark()
                self.failures[Path(item[IMAGE])] = str(error)
                return None
            facts = measure_large_image(source, survey, steps)
            record = {STARTED_WITH: description, "facts": facts, "pixel_size_um": source.stack.pixel_size_um}
            maps = self.segmenter.head.channels if self.writer.outputs.needs_cells else ()
            folder.start(record, source.shape, survey.thumbnail, maps)
        return folder.missing_bands()

    def predict_band(self, item: Item, top: int, bottom: int, advance: Callable[[int], None] = lambda _: None) -> None:
        """Predict rows [top, bottom) of a large image after `begin`, whole chunks; those that exist are kept.

        `advance` is called with the number of windows that are done. A DataError if a part cannot be read or written, or
        does not fit into memory.
        """
        folder = self._folder(item)
        done, arrays = folder.done(), folder.maps()
        with (
            self._opened(item) as image,
            ExitStack() as open_writers,
            closing(self.segmenter.bands(image, top, bottom, advance)) as blocks,
        ):
            writer = open_writers.enter_context(ChunkWriter(folder.array(), done))
            writers = {name: open_writers.enter_context(ChunkWriter(array, done)) for name, array in arrays.items()}
            for row, column, maps in blocks:
                mask = self.segmenter.mask_of(maps)[0]
                writer.add(row, column, mask.view(torch.uint8).mul_(255).numpy())
                for name, plane in zip(self.segmenter.head.channels, maps.numpy(), strict=True):
                    if name in writers:
                        writers[name].add(row, column, quantise(plane))

    def missing(self, item: Item) -> Bands:
        """The bands of a large image, after `begin`, that lack a chunk."""
        return self._folder(item).missing_bands()

    def finish(self, item: Item) -> Row:
        """Build the pyramid of a complete mask, add its row to the tables and publish it; a DataError on failure.

        Returns the row. If the process ends before the mask is published, a resumed run does this again.
        """
        folder, path = self._folder(item), self.path_of(item)
        kept = self.writer.run.find_large(item[NAME])
        if kept is not None and self._is_finished(item):
            self.writer.add(kept)
            folder.remove()
            return kept
        form, with_cells = self.settings["large_image_format"], self.writer.outputs.needs_cells
        finished, picture, cells, own = {}, None, None, self._steps(item).own
        if self._is_finished(item):
            with open_finished(path) as mask, open_source(item) as source:
                shape, pixel_size = mask.shape, source.stack.pixel_size_um
                fraction, reduced = survey_mask(mask, 2 ** picture_level(shape))
                if self.writer.outputs.needs_picture:
                    picture = survey_large_image(source).thumbnail, reduced
            if with_cells:
                cells = read_areas(path, form)
        else:
            pixel_size = folder.pixel_size_um()
            if with_cells:
                is_theirs = self.settings["cell_table_names"] == "cellprofiler"
                with open_source(item) as source:
                    decoder = self.segmenter.decoder.adapted(own)
                    cells = separate_large(folder, source, decoder.decoding, pixel_size, is_theirs)
            mask_file, levels, fraction = build_pyramid(folder, form, pixel_size)
            picture = folder.thumbnail(), levels[picture_level(shape := levels[0].shape)][:]
            cell_file = None if cells is None else build_cell_pyramid(folder, form, pixel_size, len(cells["area_px"]))
            finished = {**({} if cell_file is None else {cell_file: cells_path(path)}), mask_file: path}
        seconds = time.monotonic() - self._start_times[item[NAME]]
        prediction = LargePrediction(
            item[NAME], Path(item[IMAGE]), fraction, seconds, picture, pixel_size, (shape[0], shape[1]), cells, own
        )
        row = self.writer.outputs.write_large(prediction, self.output_dir)
        self.writer.add(row)
        if not finished:
            folder.remove()
            return row
        try:
            folder.publish(finished)
        except BaseException:
            self.writer.remove(row)
            raise
        return row

    def complete(self, item: Item) -> None:
        """Finish a large image and add its row to the table, or keep what is wrong with it in `failures`."""
        try:
            self.finish(item)
        except Exception as error:
            self.failures[Path(item[IMAGE])] = explain_failure(Path(item[IMAGE]), error)

    def count_windows(self, item: Item, bands: Bands) -> int:
        """How many windows bands of a large image depend on, after `begin`."""
        if not bands:
            return 0
        with self._opened(item) as image:
            return sum(self.segmenter.count_windows(image, *band) for band in bands)

    def path_of(self, item: Item) -> Path:
        """The path of the finished mask."""
        return self.output_dir / f"{item[NAME]}{ENDINGS[self.settings['large_image_format']]}"

    def _steps(self, item: Item) -> PartialSteps:
        return check_preprocessing(self.segmenter.preprocessing, Path(item[IMAGE]))

    def _folder(self, item: Item) -> LargeImageFolder:
        return LargeImageFolder(self.output_dir, item[NAME])

    def _is_finished(self, item: Item) -> bool:
        """Whether a resumed run has finished the mask already, and no unfinished one was to replace it."""
        may_be = self.settings["resume"] and not self.settings["overwrite"] and self.path_of(item).exists()
        return bool(may_be and not self._folder(item).is_unfinished())

    @contextmanager
    def _opened(self, item: Item) -> Iterator[LargeImage]:
        """A large image after `begin`, opened for reading."""
        facts, steps = (self._folder(item).read_record() or {})["facts"], self._steps(item)
        with open_source(item) as source:
            shape = working_shape(source.shape, source.shape, steps.scale)
            rows = -(-self.segmenter.inferer.windows.cover(shape)[0].size * source.shape[0] // shape[0])
        with open_source(item, rows) as source:
            yield LargeImage(source, steps, facts)

    def _check(self) -> None:
        """Check that the large images can be predicted and written, before anything is."""
        path = Path(self.large[0][IMAGE])
        if any(find_spec(name) is None for name in ("zarr", "ome_zarr")):  # the mask is written to Zarr first
            raise SettingError(
                f"{path}: a large image needs the libraries zarr and ome-zarr, not installed; "
                "pip install 'livecell-monai[zarr]'"
            )
        self.writer.outputs.check_large(path)
        self._steps(self.large[0])  # checks preprocessing
        may_exist = self.settings["overwrite"] or self.settings["resume"]
        check_name_lengths(self.output_dir, [".{name}.writing"], self.large)
        check_outputs(self.output_dir, self.writer.large_files(), self.large, may_exist)
        files, movie_files, large_files = self.writer.files(), self.writer.movie_files(), self.writer.large_files()
        others = [(item[NAME], movie_files if FRAMES in item else files) for item in self.rest]
        check_distinct(self.output_dir, [*others, *((item[NAME], large_files) for item in self.large)])
        for item in () if may_exist else self.large:
            self._folder(item).check_new(self.path_of(item))
