"""The large images of a prediction: each begun, predicted band by band, finished."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.large.survey import survey_source
from livecell_monai.errors import DataError, SettingError, TooLargeError
from livecell_monai.outputs.base import LargePrediction, Row
from livecell_monai.outputs.large.chunks import ChunkWriter
from livecell_monai.outputs.large.folder import ENDINGS, LargeImageFolder, open_finished
from livecell_monai.outputs.large.measures import measure_mask
from livecell_monai.outputs.large.pyramid import build_pyramid, list_level_shapes
from livecell_monai.outputs.overwriting import check_outputs
from livecell_monai.prediction.large.output import LargeImageOutput
from livecell_monai.prediction.large.prepared import LargeImage, PartialSteps, check_preprocessing, measure_large_image
from livecell_monai.prediction.large.record import describe_large_image, to_record
from livecell_monai.prediction.large.selection import choose_large_images, opened
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.runs.progress import counting
from livecell_monai.sample import IMAGE, NAME
from livecell_monai.settings import select
from livecell_monai.transforms.intensity import sample_step
from livecell_monai.transforms.scale import working_shape

PICTURE = 2048  # pixels, the longest edge of a large image's overlay
Bands = list[tuple[int, int]]


class LargeImagePredictor:
    """Predicts what is too large for the memory, beside the engine that predicts the other images.

    A large image has more than `megapixels`, in a format that is read part by part. Its mask grows in a hidden folder beside
    the results and gets its name when it is complete. `begin`, `predict_band` and `finish` are the three steps of one; bands
    may be predicted by several processes at once, each with a predictor of its own over the same folder.

    Args:
        items: the images.
        segmenter: makes maps and masks; the weights of its network are loaded by the time that a band is predicted.
        checkpoint: the file of the weights.
        settings: by name; those that change a mask go into the record.
        output: where masks go.
        megapixels: least size of a large image, in 10^6 pixels, exclusive.
        show_progress: whether to show a progress bar.

    Attributes:
        large: items that are large images.
        rest: the others.
        failures: the message for each large image that could not be read, by its path.

    Raises:
        SettingError: a setting cannot work with a large image, or something would be lost.
    """

    def __init__(
        self,
        items: Sequence[Item],
        segmenter: Segmenter,
        checkpoint: str | Path,
        settings: Mapping[str, Any],
        output: LargeImageOutput,
        megapixels: float = 64.0,
        show_progress: bool = True,
    ) -> None:
        self.segmenter, self.checkpoint = segmenter, Path(checkpoint)
        self.settings = select(settings, "changes_mask")
        self.output, self.output_dir, self.writer = output, Path(output.folder), output.writer
        self.show_progress = show_progress
        self.large, self.rest = choose_large_images(items, megapixels)
        self.failures: dict[Path, str] = {}
        self._started: dict[str, float] = {}
        if self.large:
            self._check()

    def run(self, evaluator: Any) -> None:
        """Predict the other images by their engine, then the large ones one after the other."""
        if self.rest or not self.large:
            evaluator.run()
        for item in self.large:
            bands = self.begin(item)
            if bands is None:
                continue
            count = self.count_windows(item, bands)
            try:
                with counting(f"large image {item[NAME]}", "window", count, self.show_progress) as advance:
                    for top, bottom in bands:
                        self.predict_band(item, top, bottom, advance)
            except TooLargeError as error:
                self.failures[Path(item[IMAGE])] = str(error)
            else:
                self.writer.add(self.finish(item))

    def begin(self, item: Item) -> Bands | None:
        """Make or find the hidden folder of a large image; the rows [top, bottom) of the mask that are missing.

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
            wanted = describe_large_image(source, self.segmenter.inferer, self._weights, self.settings)
            begun = folder.read_record() if self.output.resume else None
            if begun is not None:
                folder.ledger.check_same(wanted)
                return folder.missing_bands()
            steps = sample_step(source.shape[0] * source.shape[1]), 2 ** self._picture_level(source.shape)
            try:
                survey = survey_source(source, *steps)
            except DataError as error:
                self.failures[Path(item[IMAGE])] = str(error)
                return None
            facts = measure_large_image(source, survey, self._steps)
            folder.start(to_record(wanted, facts, source.stack.pixel_size_um), source.shape, survey.thumbnail)
        return folder.missing_bands()

    def predict_band(self, item: Item, top: int, bottom: int, advance: Callable[[int], None] = lambda _: None) -> None:
        """Predict rows [top, bottom) of a mask that is begun; chunks that are on disk stay as they are.

        Args:
            item: the large image.
            top: a multiple of the chunk.
            bottom: one too, or the height.
            advance: called with the number of windows that are done.

        Raises:
            DataError: a part cannot be read or written, or is too large for the memory.
        """
        folder = self._folder(item)
        with (
            self._opened(item) as image,
            ChunkWriter(folder.array(), folder.done()) as writer,
            closing(self.segmenter.bands(image, top, bottom, advance)) as blocks,
        ):
            for row, column, maps in blocks:
                mask = self.segmenter.mask_of(maps)[0]
                writer.add(row, column, mask.view(torch.uint8).mul_(255).numpy())

    def missing(self, item: Item) -> Bands:
        """Rows [top, bottom) of a mask that is begun of which a chunk is not on disk yet."""
        return self._folder(item).missing_bands()

    def finish(self, item: Item) -> Row:
        """Give a mask whose chunks are all there its pyramid and its name; the row of the table.

        Raises:
            DataError: it cannot be written.
        """
        folder, finished, picture = self._folder(item), None, None
        if self._is_finished(item):
            with open_finished(self.path_of(item)) as mask:
                measures = measure_mask(mask)
        else:
            size = (folder.read_record() or {})["pixel_size_um"]
            pixel_size = None if size is None else (float(size[0]), float(size[1]))
            finished, levels, measures = build_pyramid(folder, self.output.form, pixel_size)
            picture = folder.thumbnail(), levels[self._picture_level(levels[0].shape)][:]
        seconds = time.monotonic() - self._started[item[NAME]]
        prediction = LargePrediction(item[NAME], Path(item[IMAGE]), *measures, seconds, picture)
        row = self.writer.outputs.write_large(prediction, self.output_dir)
        if finished is None:
            folder.remove()
        else:
            folder.publish(finished, self.path_of(item))
        return row

    def count_windows(self, item: Item, bands: Bands) -> int:
        """How many windows some bands of a mask that is begun depend on."""
        if not bands:
            return 0
        with self._opened(item) as image:
            return sum(self.segmenter.count_windows(image, *band) for band in bands)

    def path_of(self, item: Item) -> Path:
        """The path of a mask that is finished."""
        return self.output_dir / f"{item[NAME]}{ENDINGS[self.output.form]}"

    @cached_property
    def _weights(self) -> str:
        return hash_file(self.checkpoint)

    @cached_property
    def _steps(self) -> PartialSteps:
        return check_preprocessing(self.segmenter.preprocessing, Path(self.large[0][IMAGE] if self.large else ""))

    def _folder(self, item: Item) -> LargeImageFolder:
        return LargeImageFolder(self.output_dir, item[NAME])

    def _is_finished(self, item: Item) -> bool:
        """Whether a run that is resumed has finished a mask already."""
        return self.output.resume and not self.output.overwrite and self.path_of(item).exists()

    @contextmanager
    def _opened(self, item: Item) -> Iterator[LargeImage]:
        """A large image whose folder is begun, prepared for reading."""
        facts = (self._folder(item).read_record() or {})["facts"]
        with opened(item, self._rows_at_once(item)) as source:
            yield LargeImage(source, self._steps, facts)

    def _rows_at_once(self, item: Item) -> int:
        with opened(item) as source:
            shape = working_shape(source.shape, source.shape, self._steps.scale)
            return -(-self.segmenter.inferer.plan(shape)[0].size * source.shape[0] // shape[0])

    def _picture_level(self, shape: tuple[int, int]) -> int:
        """The first level of the pyramid that is small enough for a picture."""
        return next(level for level, edges in enumerate(list_level_shapes(shape)) if max(edges) <= PICTURE)

    def _check(self) -> None:
        """Refuse what cannot work, or would lose something, ahead of all work."""
        path = Path(self.large[0][IMAGE])
        if any(find_spec(name) is None for name in ("zarr", "ome_zarr")):  # the mask is written to Zarr first
            raise SettingError(
                f"{path}: a large image needs the libraries zarr and ome-zarr, not installed; "
                "pip install 'livecell-monai[zarr]'"
            )
        self.writer.outputs.check_large(path)
        _ = self._steps
        check_outputs(self.output_dir, self.writer.large_files(), self.large, self.output.overwrite or self.output.resume)
        for item in self.large:
            if self._folder(item).path.exists() and not (self.output.resume or self.output.overwrite):
                raise SettingError(
                    f"{self.path_of(item)}: an unfinished large image is there; continue by --resume, or begin anew by "
                    "--overwrite"
                )
