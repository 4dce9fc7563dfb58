"""The files that a training learns from: their names, paths and hashes."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from livecell_monai.data.dataset.folder import name_data
from livecell_monai.data.dataset.identity import hash_file, list_files
from livecell_monai.data.dataset.items import Item
from livecell_monai.data.dataset.split import Split
from livecell_monai.sample import Sample


class TrainingDataset:
    """A data folder or datalist, split, and the images without labels.

    Args:
        dataset_dir: the data folder or datalist. Records keep its name, not its path.
        split: samples of training and of validation.
        unlabelled: images for pseudo-labels.
    """

    def __init__(self, dataset_dir: str, split: Split, unlabelled: Sequence[Item] = ()) -> None:
        self.dataset_dir = dataset_dir
        self.name = name_data(dataset_dir)
        self.split = split
        self.unlabelled = unlabelled

    @property
    def samples(self) -> list[Sample]:
        """Each image of the split once, sorted by name."""
        both = {sample.name: sample for sample in (*self.split.train, *self.split.validation)}
        return [both[name] for name in sorted(both)]

    @cached_property
    def files(self) -> dict[str, Path]:
        """Path of each file, by `role/file name`."""
        return list_files(self.samples, self.unlabelled)

    @cached_property
    def file_hashes(self) -> dict[str, str]:
        """SHA-256 of each file at the start of the training, by `role/file name`."""
        return {name: hash_file(path) for name, path in self.files.items()}

    @cached_property
    def annotated_hashes(self) -> dict[str, str]:
        """SHA-256 of the images, labels and borders of the split."""
        return {name: self.file_hashes[name] for name in list_files(self.samples)}
