"""The hidden folder of a prediction that is under way: what it is and what is done, so that a killed run goes on."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.readers import parse_address
from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import atomic_path, make_folder
from livecell_monai.sample import FRAMES, IMAGE, NAME
from livecell_monai.settings import select

FOLDER = ".unfinished"
TABLE = "summary.csv"
Row = dict[str, Any]


class UnfinishedRun:
    """`.unfinished` among the results, as long as there are images to come: `run.json`, `files/` and `rows/`.

    The files of an image are written into `files/`, sealed by its row in `rows/`, and only then take their names: whoever
    finds a row has nothing left to do but to move what has not been moved. So each file takes its name once, wherever a
    process was killed, and those of one image belong together. Any number of processes may write different images.

    Args:
        output_dir: folder of the results.
        checkpoint: the weights, which a run that is gone on with must share.
        settings: by name; those that change a result must be the same, too.
        overwrite: begin anew where another run was killed.
        resume: go on with it.

    Attributes:
        shared: whether this process does a part of a run that another one begins and ends.

    Raises:
        SettingError: a killed run has left its folder, and neither is asked for.
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
        self.path = self.folder / FOLDER
        self.files, self._rows, self._record = self.path / "files", self.path / "rows", self.path / "run.json"
        self.checkpoint, self.settings = Path(checkpoint), select(settings or {}, "changes_mask")
        self.overwrite, self.resume = overwrite, resume
        self.shared = False
        self._order: list[str] = []
        self._done: dict[str, Row] = {}
        if self._record.exists() and not (resume or overwrite):
            raise SettingError(f"{self.folder}: an unfinished run is there; go on by --resume, or begin anew by --overwrite")

    @property
    def goes_on(self) -> bool:
        """Whether there is a run to go on with, whose results may be written over."""
        return self.resume and self._record.exists()

    def guarded(self, names: Sequence[str]) -> list[str]:
        """Those of some files that must not be there yet: the table of a run that is gone on with may be."""
        return [name for name in names if not (self.resume and name == TABLE)]

    def missing(self, items: Sequence[Item], names: Sequence[str], movie_names: Sequence[str] = ()) -> list[Item]:
        """The items that are still to be predicted; `arrange` puts the rows of the others beside theirs.

        An image is done where it has not changed since the run that is gone on with has sealed it. Where no run is under
        way, one that `summary.csv` lists and whose files are all there is done by a run that was finished.

        Args:
            items: the images; frames of one movie share its name and are done together.
            names: the files of an image, `{name}` in place of its name.
            movie_names: those of a movie.

        Raises:
            SettingError: the run was begun with other weights or settings.
        """
        if self.shared and not self.goes_on:
            raise DataError(f"{self.path}: every worker must see the folder of the run, this one does not; share it")
        self._order = list(dict.fromkeys(item[NAME] for item in items))
        first = {item[NAME]: item for item in reversed(items)}
        if self.goes_on:
            if not self.shared:  # whose record was compared when the run was begun
                self._check_other()
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
        """Make the folder, unless there is a run to go on with; its record is written last.

        Raises:
            DataError: the system refuses.
        """
        if self.goes_on:
            return
        self._throw_away()
        make_folder(self._rows)
        make_folder(self.files)
        with atomic_path(self._record) as temporary:
            temporary.write_text(json.dumps(self._describe(), indent=1) + "\n", encoding="utf-8")

    def complete(self, name: str, image: str | Path, row: Row, names: Sequence[str]) -> Row:
        """Seal an image whose files are in `files/`, and give them their names; the row.

        Args:
            name: of the image.
            image: the path or address that it was read from; of a movie that of a frame.
            row: of the table.
            names: the files that it may have, `{name}` in place of its name.

        Raises:
            DataError: the system refuses.
        """
        own = [file for pattern in names if (self.files / (file := pattern.format(name=name))).exists()]
        sealed = {"row": row, "files": own, "image": _identify(image)}
        with atomic_path(self._rows / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(sealed), encoding="utf-8")
        self._publish(own)
        return row

    def arrange(self, rows: Sequence[Row]) -> list[Row]:
        """Rows with those of images that were done before, by the order of the images; others behind."""
        found = {**self._done, **{str(row["image"]): row for row in rows}}
        ranks = {name: rank for rank, name in enumerate(self._order)}
        return sorted(found.values(), key=lambda row: ranks.get(str(row["image"]), len(ranks)))

    def end(self) -> None:
        """Leave no trace: what was to be written is under its name, and the table with it."""
        self._throw_away()

    def abandon(self) -> None:
        """Leave no trace of a run that an error has ended ahead of its first image: there is nothing to go on with."""
        if not self.shared and not any(self._rows.glob("*.json")):
            self._throw_away()

    def _find(self, item: Item) -> Row | None:
        """The row of an image that is sealed, its files moved where they were not."""
        path = self._rows / f"{item[NAME]}.json"
        if not path.exists():
            return None
        try:
            sealed = json.loads(path.read_text(encoding="utf-8"))
            row, files, image = sealed["row"], sealed["files"], sealed["image"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(f"{path}: the row must be readable, it is not; remove it, and its image is done anew") from error
        if image != _identify(item[IMAGE]):
            return None
        self._publish(files)
        there = all((self.folder / name).exists() for name in files)
        return dict(row) if there else None

    def _publish(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                (self.files / name).replace(self.folder / name)
            except FileNotFoundError:
                continue  # it was moved before
            except OSError as error:
                raise DataError(
                    f"{self.folder / name}: cannot be written ({error.strerror}); make room or remove what has the name"
                ) from error

    def _describe(self) -> dict[str, Any]:
        weights = hash_file(self.checkpoint) if self.checkpoint.is_file() else None
        return {"weights": weights, **self.settings}

    def _check_other(self) -> None:
        try:
            begun = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self._record}: the record must be JSON, it is not; remove {self.path}") from error
        for name, value in json.loads(json.dumps(self._describe())).items():
            if begun.get(name) != value:
                raise SettingError(
                    f"{self.folder}: --resume must go on with the same {name}, begun with {begun.get(name)!r}, now "
                    f"{value!r}; undo the change, or begin anew by --overwrite without --resume"
                )

    def _throw_away(self) -> None:
        try:
            with suppress(FileNotFoundError):
                shutil.rmtree(self.path)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be removed ({error.strerror}); remove it") from error


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
