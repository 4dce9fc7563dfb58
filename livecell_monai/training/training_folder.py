"""The hidden folder of a training that is under way: what was asked, what it rests on, and its checkpoints."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.overwriting import check_empty_folder
from livecell_monai.runs.atomic import atomic_path, make_folder

FOLDER = ".training"


class TrainingFolder:
    """`.training` in the folder of the bundle, as long as that is not complete: `run.json` and the checkpoints.

    Args:
        output_dir: the folder that becomes the bundle.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output = Path(output_dir)
        self.path = self.output / FOLDER
        self.record = self.path / "run.json"

    def is_unfinished(self) -> bool:
        """Whether a training is under way here, or was when it was killed."""
        return self.record.is_file()

    def read(self) -> dict[str, Any]:
        """What was noted of the training.

        Raises:
            DataError: it cannot be read.
        """
        try:
            return dict(json.loads(self.record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{self.record}: must be the record of a training, it is not; remove {self.output}") from error

    def write(self, facts: Mapping[str, Any]) -> None:
        """Note facts of the training, over those of the same name.

        Raises:
            DataError: the system refuses.
        """
        make_folder(self.path)
        known = self.read() if self.is_unfinished() else {}
        with atomic_path(self.record) as temporary:
            temporary.write_text(json.dumps({**known, **facts}, indent=1) + "\n", encoding="utf-8")

    @contextmanager
    def kept_to_one(self) -> Iterator[None]:
        """Keep the folder to one process for the time of the block.

        Raises:
            SettingError: where another process is at work in it.
        """
        make_folder(self.path)
        try:
            with FileLock(self.path / "at_work.lock", timeout=0):
                yield
        except Timeout as error:
            raise SettingError(
                f"{self.output}: one training at a time may work in the folder, another does; wait, or name another"
            ) from error

    def end(self) -> None:
        """Leave no trace: the bundle is complete."""
        self.record.unlink(missing_ok=True)  # first: whatever else is left says nothing without it
        shutil.rmtree(self.path, ignore_errors=True)


def check_output_folder(output_dir: str | Path, resume: bool | str = False) -> Path:
    """The folder that a training may fill, or go on in.

    Args:
        output_dir: the folder.
        resume: whether it is to go on with a training; `auto` where there is one, else to begin.

    Raises:
        SettingError: where something would be lost, or there is nothing to go on with.
    """
    folder = TrainingFolder(output_dir)
    if folder.is_unfinished():
        if not resume:
            raise SettingError(
                f"{folder.output}: an unfinished training is there; go on by livecell train --resume {folder.output}, or "
                "name another folder"
            )
        return folder.output
    if resume and resume != "auto":
        is_bundle = (folder.output / "configs" / "metadata.json").is_file()
        found = "this one is finished" if is_bundle else "there is none"
        raise SettingError(
            f"{folder.output}: --resume must name a folder with an unfinished training, {found}; train into another folder"
        )
    return check_empty_folder(folder.output, apart_from=FOLDER)
