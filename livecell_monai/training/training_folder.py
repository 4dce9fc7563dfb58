"""The folder that a training writes to: its ledger `.training` with the checkpoints, until the bundle is complete."""

from pathlib import Path

from livecell_monai.errors import SettingError
from livecell_monai.outputs.overwriting import check_empty_folder
from livecell_monai.runs.ledger import Ledger

FOLDER = ".training"


def training_ledger(output_dir: str | Path) -> Ledger:
    """The ledger of a training.

    Args:
        output_dir: the folder that becomes the bundle.
    """
    return Ledger(Path(output_dir) / FOLDER, "a training", "leave the change out, or train into another folder")


def check_output_folder(output_dir: str | Path, resume: bool | str = False) -> Path:
    """The folder that a training may fill, or resume in.

    Args:
        output_dir: the folder.
        resume: whether to resume a training; `auto` resumes if there is one, otherwise starts.

    Raises:
        SettingError: something would be lost, or there is nothing to resume.
    """
    folder = Path(output_dir)
    if training_ledger(folder).is_unfinished():
        if not resume:
            raise SettingError(
                f"{folder}: holds an unfinished training; resume it by livecell train --resume {folder}, or name "
                "another folder"
            )
        return folder
    if resume and resume != "auto":
        is_bundle = (folder / "configs" / "metadata.json").is_file()
        found = "this one is finished" if is_bundle else "there is none"
        raise SettingError(
            f"{folder}: --resume must name a folder with an unfinished training, {found}; train into another folder"
        )
    return check_empty_folder(folder, apart_from=FOLDER)
