"""A prediction that is not finished: which images are done already, so that a killed one resumes."""

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.readers import parse_address
from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.ledger import Ledger
from livecell_monai.sample import FRAMES, IMAGE, NAME
from livecell_monai.settings import select

FOLDER = ".unfinished"
TABLE = "summary.csv"
Row = dict[str, Any]


class UnfinishedRun:
    """The prediction's ledger `.unfinished` among the results; it is there as long as images are missing.

    The files of an image are committed together, with its row of the table as the entry. Any number of processes may
    predict different images.

    Args:
        output_dir: folder of the results.
        checkpoint: the weights, which must be the same on resume.
        settings: by name; those that change a mask must be the same on resume.
        overwrite: start again where another run was killed.
        resume: resume it.

    Attributes:
        files: the folder that files are written to before they are published.
        shared: whether this process does a part of a run that another one begins and ends.

    Raises:
        SettingError: a killed run has left its folder, and neither is given.
    """

    def __init__(
        self,
        output_dir: str | Path,
        checkpoint: str | Path = "",
        settings: Mapping[str, Any] | None = None,
        overwrite: bool = True,
        resume: bool = False,
    ) -> None:
        self.folder = Path(output_dir)
        remedy = "undo the change, or start again by --overwrite without --resume"
        self.ledger = Ledger(self.folder / FOLDER, "a prediction", remedy)
        self.files = self.ledger.files
        self.checkpoint, self.settings = Path(checkpoint), select(settings or {}, "changes_mask")
        self.overwrite, self.resume = overwrite, resume
        self.shared = False
        self._order: list[str] = []
        self._done: dict[str, Row] = {}
        if self.ledger.is_unfinished() and not (resume or overwrite):
            raise SettingError(
                f"{self.folder}: holds an unfinished prediction; resume it by --resume, or start again by --overwrite"
            )

    @property
    def resumes(self) -> bool:
        """Whether there is a run to resume, whose results may be overwritten."""
        return self.resume and self.ledger.is_unfinished()

    def guarded(self, names: Sequence[str]) -> list[str]:
        """Those of some files that must not exist yet: the table may, where a run is resumed."""
        return [name for name in names if not (self.resume and name == TABLE)]

    def missing(self, items: Sequence[Item], names: Sequence[str], movie_names: Sequence[str] = ()) -> list[Item]:
        """The items that are still to be predicted; `arrange` adds the rows of the others.

        An image is done if the resumed run has committed it and it has not changed since. Without a run to resume, an image
        is done if `summary.csv` lists it and all its files exist.

        Args:
            items: the images; frames of one movie share its name and are done together.
            names: the files of an image, `{name}` in place of its name.
            movie_names: those of a movie.

        Raises:
            SettingError: the run was started with other weights or settings.
        """
        if self.shared and not self.resumes:
            raise DataError(f"{self.ledger.path}: every worker must see the folder of the run, this one does not; share it")
        self._order = list(dict.fromkeys(item[NAME] for item in items))
        first = {item[NAME]: item for item in reversed(items)}
        if self.resumes:
            if not self.shared:  # the process that has begun the run has compared them
                self.ledger.check_same(self._describe())
            found = {name: self._find(item) for name, item in first.items()}
        elif self.resume and not self.overwrite:
            rows = _read_table(self.folder / TABLE)
            patterns = {name: movie_names if FRAMES in item else names for name, item in first.items()}
            there = {name: all((self.folder / part.format(name=name)).exists() for part in patterns[name]) for name in first}
            found = {name: rows.get(name) if there[name] else None for name in first}
        else:
            found = {}
        self._done = {name: row for name, row in found.items() if row is not None}
        return [item for item in items if item[NAME] not in self._done]

    def begin(self) -> None:
        """Start the ledger, unless there is one to resume.

        Raises:
            DataError: the system refuses.
        """
        if not self.resumes:
            self.ledger.end()
            self.ledger.create_folders()
            self.ledger.start(self._describe())

    def complete(self, name: str, image: str | Path, row: Row, names: Sequence[str]) -> Row:
        """Commit an image whose files are in `files`; the row.

        Args:
            name: of the image.
            image: the path or address that it was read from; of a movie that of a frame.
            row: of the table.
            names: the files that it may have, `{name}` in place of its name.

        Raises:
            DataError: the system refuses.
        """
        own = [file for pattern in names if (self.files / (file := pattern.format(name=name))).exists()]
        self.ledger.commit(name, own, row=row, image=_identify(image))
        return row

    def arrange(self, rows: Sequence[Row]) -> list[Row]:
        """Rows with those of images that were done before, in the order of the images; others behind."""
        found = {**self._done, **{str(row["image"]): row for row in rows}}
        ranks = {name: rank for rank, name in enumerate(self._order)}
        return sorted(found.values(), key=lambda row: ranks.get(str(row["image"]), len(ranks)))

    def end(self) -> None:
        """Remove the ledger: all images and the table are written."""
        self.ledger.end()

    def remove_if_empty(self) -> None:
        """Remove the ledger of a run that failed before its first image: there is nothing to resume."""
        if not self.shared:
            self.ledger.remove_if_empty()

    def _find(self, item: Item) -> Row | None:
        """The row of an image that is committed and has not changed, its files published."""
        entry = self.ledger.read_entry(item[NAME])
        if entry is None or entry["image"] != _identify(item[IMAGE]) or not self.ledger.publish(entry["files"]):
            return None
        return dict(entry["row"])

    def _describe(self) -> dict[str, Any]:
        weights = hash_file(self.checkpoint) if self.checkpoint.is_file() else None
        return {"weights": weights, **self.settings}


def _identify(image: str | Path) -> list[Any]:
    """What an image was when it was predicted: where, how large and how old; frames of a movie share it."""
    address = parse_address(image)
    path = Path(image) if address is None else address.path
    try:
        state = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), state.st_size, state.st_mtime_ns]


def _read_table(path: Path) -> dict[str, Row]:
    """The rows of a finished run's table by the name of the image; none where there is no such table."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            return {row["image"]: {key: _value(key, text) for key, text in row.items()} for row in csv.DictReader(stream)}
    except (OSError, ValueError, KeyError):
        return {}


def _value(column: str, text: str) -> Any:
    for kind in () if column == "image" else (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
