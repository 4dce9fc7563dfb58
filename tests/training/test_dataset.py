"""Names, paths and hashes of the files that a training learns from."""

from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.dataset.items import list_unlabelled_items, partition
from livecell_monai.training.dataset import TrainingDataset


def test_unlabelled_images_are_files_of_the_training_but_not_of_its_annotated_data(bordered):
    split = partition(bordered)
    tests = bordered / "test" / "images"
    data = TrainingDataset(str(bordered), split, list_unlabelled_items(tests, split))
    assert data.name == bordered.name
    assert [sample.name for sample in data.samples] == ["train_00", "train_01", "train_02"]
    annotated = [f"{kind}/train_0{index}.tif" for kind in ("border", "image", "label") for index in range(3)]
    unlabelled = [f"unlabelled/{tests / f'test_0{index}.tif'}" for index in range(2)]
    assert list(data.annotated_hashes) == annotated
    assert list(data.files) == list(data.file_hashes) == [*annotated, *unlabelled]
    assert data.file_hashes[unlabelled[1]] == hash_file(tests / "test_01.tif")


def test_hashes_are_those_of_the_first_look(folder):
    """A file that changes while the network trains does not change what the network learned from."""
    data = TrainingDataset(str(folder), partition(folder))
    label = folder / "train" / "labels" / "train_00.tif"
    before = data.annotated_hashes["label/train_00.tif"]
    label.write_bytes(label.read_bytes() + b" ")
    assert data.annotated_hashes["label/train_00.tif"] == before != hash_file(label)
