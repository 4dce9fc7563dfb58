import shutil

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.items import partition, to_items
from livecell_monai.data.dataset.split import given_split
from livecell_monai.data.readers.kinds import read_label
from livecell_monai.errors import DataError
from livecell_monai.prediction import judging
from livecell_monai.prediction.judging import Judge, draw_samples, pick_test_samples, pick_unseen, show_split
from livecell_monai.sample import IMAGE, LABEL, Region
from livecell_monai.tasks import predict
from tests.support.worlds import SHAPE


@pytest.fixture(scope="module")
def judge(trained):
    parser = open_bundle(trained[1], ["inference"], {"accelerator": "cpu-fp32"}).workflow.parser
    parts = ("fold", "inferer", "device", "preprocessing", "postprocessing")
    return Judge(*(parser.get_parsed_content(part) for part in parts))


class TestJudge:
    def test_gives_the_mask_that_predict_writes(self, judge, trained, tmp_path):
        data, bundle = trained
        (first, second) = judge.predict(to_items(list_samples(data, "test")), "test")
        settings = {"accelerator": "cpu-fp32", "show_progress": False, "write_probability": True}
        predict(bundle, [data / "test" / "images"], tmp_path / "masks", settings)
        for one in (first, second):
            written = tifffile.imread(tmp_path / "masks" / f"{one.name}.tif")
            assert (one.mask == (written > 0)).all()
            assert one.mask.any()
            probability = tifffile.imread(tmp_path / "masks" / f"{one.name}_probability.tif")
            assert one.probability == pytest.approx(probability, abs=1e-5)
            assert (one.truth == (read_label(data / "test" / "labels" / f"{one.name}.tif") > 0)).all()
            assert one.image.shape == one.mask.shape == SHAPE
            assert one.role == "test"

    def test_without_a_label_there_is_no_truth(self, judge, trained):
        samples = pick_unseen(trained[0], 1, 0)
        (one,) = judge.predict(to_items(samples), "test")
        assert one.truth is None

    def test_the_network_learns_from_it_neither_weights_nor_statistics(self, trained):
        parser = open_bundle(trained[1], ["inference", "train"], None, {"dataset_dir": str(trained[0])}).workflow.parser
        names = ("network", "inferer", "device", "preprocessing", "postprocessing")
        judge = Judge(*(parser.get_parsed_content(name) for name in names))
        judge.network.train()
        before = {name: value.clone() for name, value in judge.network.state_dict().items()}
        list(judge.predict(to_items(list_samples(trained[0], "test")), "test"))
        assert judge.network.training
        assert all(torch.equal(value, before[name]) for name, value in judge.network.state_dict().items())

    def test_ranges_are_of_the_middle_of_some_images(self, judge, trained, monkeypatch):
        """However many there are, and however large."""
        seen = []
        monkeypatch.setattr(judging, "MEASURED", 2)
        monkeypatch.setattr(judging, "MIDDLE", 32)
        around = (judge.device, judge.preprocessing, judge.postprocessing)
        recording = Judge(nn.Identity(), lambda image, network: seen.append(image), *around)
        items = to_items(list_samples(trained[0], "train"))
        assert recording.measure_ranges(items) == {}
        whole = [judge.preprocessing(items[index])[IMAGE] for index in (0, 1)]
        middles = [image[None, :, 32:64, 40:72] for image in whole]
        assert len(items) == 3
        assert all(
            torch.equal(torch.as_tensor(one), torch.as_tensor(other)) for one, other in zip(seen, middles, strict=True)
        )

    def test_a_region_is_judged_alone(self, judge, trained):
        held = partition(trained[0]).validation
        judged = list(judge.predict(to_items(held), "validation"))
        for one, sample in zip(judged, held, strict=True):
            region = sample.region
            assert one.mask.shape == (region.bottom - region.top, region.right - region.left)
            assert (one.truth == (region.crop(read_label(sample.label)) > 0)).all()

    def test_an_image_that_cannot_be_read_is_passed_over(self, judge, folder):
        (folder / "test/images/test_00.tif").write_bytes(b"no image")
        items = to_items(pick_unseen(folder, 6, 0))
        assert [one.name for one in judge.predict(items, "test")] == ["test_01"]

    def test_images_are_read_when_they_are_asked_for(self, judge, folder):
        images = judge.predict(to_items(pick_unseen(folder, 6, 0)), "test")
        assert next(images).name == "test_00"
        (folder / "test/images/test_01.tif").unlink()
        assert list(images) == []


class TestPicking:
    def test_as_many_as_there_are_by_name(self, folder):
        assert [sample.name for sample in pick_test_samples(folder, 6, 0)] == ["test_00", "test_01"]

    def test_which_ones_hangs_on_the_seed(self, folder):
        drawn = [pick_test_samples(folder, 1, seed)[0].name for seed in range(12)]
        assert drawn == [pick_test_samples(folder, 1, seed)[0].name for seed in range(12)]
        assert set(drawn) == {"test_00", "test_01"}

    def test_without_test_images_there_are_none(self, folder):
        shutil.rmtree(folder / "test")
        assert pick_test_samples(folder, 6, 0) == []

    def test_a_training_never_looks_at_test_labels(self, folder):
        for label in (folder / "test" / "labels").iterdir():
            label.write_bytes(b"not to be read")
        assert [sample.label for sample in pick_unseen(folder, 6, 0)] == [None, None]

    def test_test_images_that_break_a_rule_stop_no_training(self, folder):
        (folder / "test/labels/test_00.tif").unlink()
        with pytest.raises(DataError, match="test_00"):
            pick_test_samples(folder, 6, 0)
        assert pick_unseen(folder, 6, 0) == []


class TestShowSplit:
    def test_by_region(self, folder):
        split = partition(folder)
        for one, trained, held in zip(show_split(split), split.train, split.validation, strict=True):
            assert (one.name, one.training, one.validation) == (trained.name, trained.region, held.region)
            assert one.image.shape == one.truth.shape == SHAPE
            assert one.truth.dtype == bool

    def test_whole_images_are_on_one_side(self, folder):
        samples = list_samples(folder, "train")
        sides = show_split(given_split(samples[:2], samples[2:]))
        whole = Region(0, 0, *SHAPE)
        assert [(one.training, one.validation) for one in sides] == [(whole, None), (whole, None), (None, whole)]

    def test_of_a_split_that_leaks_they_are_on_both(self, folder):
        whole = Region(0, 0, *SHAPE)
        assert {(one.training, one.validation) for one in show_split(partition(folder, "original"))} == {(whole, whole)}

    def test_no_more_than_asked_for(self, folder):
        assert len(show_split(partition(folder), most=2)) == 2


def test_samples_are_a_batch_as_the_network_sees_it():
    images = torch.arange(40.0).reshape(20, 1, 1, 2)
    found, labels = draw_samples([{IMAGE: images, LABEL: (images > 7).float()}, {}])
    assert found.tolist() == images[:16, 0].tolist()
    assert labels.dtype == np.bool_
    assert labels.tolist() == (images[:16, 0] > 7).tolist()
