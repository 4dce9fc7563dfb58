"""An unfinished prediction: which images are done, so that an interrupted run resumes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.readers import find_file
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.base import Row
from livecell_monai.outputs.summary import TABLE
from livecell_monai.runs.atomic import read_table
from livecell_monai.runs.ledger import Ledger
from livecell_monai.sample import FRAMES, IMAGE, NAME
from livecell_monai.settings import select

FOLDER = ".unfinished"


class UnfinishedRun:
    """The ledger `.unfinished` in the output folder; it exists until all images are done.

    The files of an image are committed together, with its row of the table as the entry. Several processes may predict
    different images of one run. Methods that write raise a DataError if they cannot.

    The checkpoint and the settings that change a mask must be the same on resume: those that are given, if others follow
    from the images. These are recorded as `found`, for the images that the run knows.

    Raises a SettingError if there is an unfinished run, and neither `overwrite` nor `resume` is given.
    """

    def __init__(
        self,
        output_dir: str | Path,
        checkpoint: str | Path = "",
        settings: Mapping[str, Any] | None = None,
        overwrite: bool = True,
        resume: bool = False,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(output_dir)
        remedy = "undo the change, or start again by --overwrite without --resume"
        self.ledger = Ledger(self.folder / FOLDER, "a prediction", remedy)
        self.files = self.ledger.files  #: folder of files that are not published yet
        self.checkpoint = Path(checkpoint)
        self.settings, self.given = (select(each or {}, "changes_mask") for each in (settings, given or settings))
        self.overwrite, self.resume = overwrite, resume
        self.shared = False  #: whether another process starts and ends the run
        self._ranks: dict[str, int] = {}
        self._done: dict[str, Row] = {}
        self._large: dict[str, Row | None] = {}
        if self.ledger.is_unfinished() and not (resume or overwrite):
            raise SettingError(
                f"{self.folder}: holds an unfinished prediction; resume it by --resume, or start again by --overwrite"
            )

    @property
    def resumes(self) -> bool:
        """Whether there is a run to resume, whose results may be overwritten."""
        return self.resume and self.ledger.is_unfinished()

    @property
    def found(self) -> Mapping[str, Any]:
        """The settings of the run to resume, with those that it has found in its images; empty if there is none."""
        return self.ledger.read().get("found", {}) if self.resumes else {}

    @property
    def keeps_results(self) -> bool:
        """Whether the results of a finished run are kept."""
        return self.resume and not self.overwrite

    @property
    def names(self) -> set[str]:
        """The names of all images of the run."""
        return {*self._ranks, *self._large}

    def protected(self, names: Sequence[str]) -> list[str]:
        """The files that must not exist yet: all, but for those of the whole run if it is resumed."""
        return [name for name in names if "{name}" in name or not self.resume]

    def keep_large(self, items: Sequence[Item], names: Sequence[str]) -> None:
        """Keep the row of each large image that an earlier run has finished: it is in `summary.csv`, its files exist."""
        rows = _read_table(self.folder / TABLE) if self.keeps_results else {}
        self._large = {item[NAME]: rows.get(item[NAME]) if self._has_files(item, names) else None for item in items}

    def find_large(self, name: str) -> Row | None:
        """The kept row of a large image, see `keep_large`."""
        return self._large.get(name)

    def missing(self, items: Sequence[Item], names: Sequence[str], movie_names: Sequence[str] = ()) -> list[Item]:
        """The items that still need a prediction; `merge` adds the rows of the others.

        An image is done if the resumed run has committed it and it has not changed since. Without a run to resume, an image
        is done if `summary.csv` lists it and all its files exist: `names`, or `movie_names` of a movie.

        Raises:
            SettingError: the run was started with other weights or settings.
            DataError: a shared run is not visible to this process, or its ledger cannot be read.
        """
        if self.shared and not self.resumes:
            raise DataError(f"{self.ledger.path}: this worker cannot see the folder of the run; use a shared file system")
        self._ranks = {name: rank for rank, name in enumerate(dict.fromkeys(item[NAME] for item in items))}
        first = {item[NAME]: item for item in reversed(items)}
        found: dict[str, Row | None] = {}
        if self.resumes:
            if not self.shared:  # else the process that started the run has compared them
                self.ledger.check_same(self._started_with())
            found = {name: self._find_committed(item) for name, item in first.items()}
        elif self.keeps_results:
            rows = _read_table(self.folder / TABLE)
            for name, item in first.items():
                if self._has_files(item, movie_names if FRAMES in item else names):
                    found[name] = rows.get(name)
        self._done = {name: row for name, row in found.items() if row is not None}
        return [item for item in items if item[NAME] not in self._done]

    def start(self) -> None:
        """Start the ledger, unless a run is resumed."""
        if not self.resumes:
            self.ledger.end()
            self.ledger.create_folders()
            self.ledger.start(self._started_with(), found=self.settings)
        elif not self.shared:
            self.ledger.update(found=self.settings)  # images may have been added

    def commit(self, name: str, image: str | Path, row: Row, names: Sequence[str]) -> Row:
        """Commit an image or a movie, of which `image` is a path or address, and the files that exist. Returns the row.

        One whose files cannot get their names is not done.
        """
        own = [file for pattern in names if (self.files / (file := pattern.format(name=name))).exists()]
        try:
            self.ledger.commit(name, own, row=row, image=_identify(image))
        except DataError:
            with suppress(OSError):
                self.ledger.remove_entry(name)
            raise
        return row

    def merge(self, rows: Sequence[Row]) -> list[Row]:
        """New rows and the rows of images done before, in the order of the images; large images last, then unknown ones."""
        large = {name: row for name, row in self._large.items() if row is not None}
        found = {**large, **self._done, **{str(row["image"]): row for row in rows}}
        ranks = {name: rank for rank, name in enumerate([*self._ranks, *self._large])}
        return sorted(found.values(), key=lambda row: ranks.get(str(row["image"]), len(ranks)))

    def end(self) -> None:
        """Delete the ledger: all images and the table are written."""
        self.ledger.end()

    def remove_if_empty(self) -> None:
        """Delete the ledger if no image is done."""
        if not self.shared:
            self.ledger.remove_if_empty()

    def _has_files(self, item: Item, names: Sequence[str]) -> bool:
        return all((self.folder / pattern.format(name=item[NAME])).exists() for pattern in names)

    def _find_committed(self, item: Item) -> Row | None:
        """The row of an image that is committed and has not changed; its files are published."""
        entry = self.ledger.read_entry(item[NAME])
        if entry is None or entry["image"] != _identify(item[IMAGE]) or not self.ledger.publish(entry["files"]):
            return None
        return dict(entry["row"])

    def _started_with(self) -> dict[str, Any]:
        return {"weights": hash_file(self.checkpoint) if self.checkpoint.is_file() else None, **self.given}


def _identify(image: str | Path) -> list[Any]:
    """Path, size and time stamp of an image file; frames of a movie share it."""
    path = find_file(image)
    try:
        state = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), state.st_size, state.st_mtime_ns]


def _read_table(path: Path) -> dict[str, Row]:
    """The rows of the table of a finished run by image name; empty if there is no such table."""
    with suppress(DataError, KeyError):
        return {row["image"]: {key: _parse(key, text) for key, text in row.items()} for row in read_table(path)}
    return {}


def _parse(column: str, text: str) -> Any:
    for kind in () if column == "image" else (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
