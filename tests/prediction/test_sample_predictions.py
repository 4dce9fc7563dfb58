"""Images predicted one at a time, for reports."""

import pytest
import tifffile
import torch
from torch import nn

from livecell_monai.bundle.open import open_bundle
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.items import partition, to_items
from livecell_monai.data.readers.kinds import read_label
from livecell_monai.prediction import sample_predictions
from livecell_monai.prediction.sample_predictions import measure_map_ranges, predict_items
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import IMAGE
from livecell_monai.tasks import predict
from livecell_monai.training.review import pick_unseen
from tests.support.worlds import SHAPE


@pytest.fixture(scope="module")
def segmenter(trained):
    parser = open_bundle(trained[1], ["inference"], {"accelerator": "cpu-fp32"}).workflow.parser
    parser.get_parsed_content("inference_network#network")
    return parser.get_parsed_content("segmenter")


class TestPredictItems:
    def test_gives_the_mask_that_predict_writes(self, segmenter, trained, tmp_path):
        data, bundle = trained
        (first, second) = predict_items(segmenter, to_items(list_samples(data, "test")), "test")
        settings = {"accelerator": "cpu-fp32", "show_progress": False, "outputs": ["mask", "probability", "summary"]}
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

    def test_without_a_label_there_is_no_truth(self, segmenter, trained):
        samples = pick_unseen(trained[0], 1, 0)
        (one,) = predict_items(segmenter, to_items(samples), "test")
        assert one.truth is None
        assert (one.cells, one.true_cells) == (None, None)  # the bundle writes none either

    def test_cells_are_those_that_predict_writes_and_of_the_label(self, segmenter, trained, tmp_path):
        data, bundle = trained
        (one, _) = predict_items(segmenter, to_items(list_samples(data, "test")), "test")
        settings = {"accelerator": "cpu-fp32", "show_progress": False, "cells": True}
        predict(bundle, [data / "test" / "images" / f"{one.name}.tif"], tmp_path / "masks", settings)
        assert (one.cells == tifffile.imread(tmp_path / "masks" / f"{one.name}_cells.tif")).all()
        assert one.cells.any()
        assert (one.true_cells == read_label(data / "test" / "labels" / f"{one.name}.tif")).all()
        assert one.region is None

    def test_a_binary_label_has_no_cells(self, segmenter, folder):
        label = folder / "test" / "labels" / "test_00.tif"
        tifffile.imwrite(label, ((tifffile.imread(label) > 0) * 255).astype("uint8"))
        first, second = predict_items(segmenter, to_items(list_samples(folder, "test")), "test")
        assert (first.cells, first.true_cells) == (None, None)
        assert first.truth.any()
        assert second.true_cells.max() == 5

    def test_the_network_learns_from_it_neither_weights_nor_statistics(self, trained):
        parser = open_bundle(trained[1], ["inference", "train"], None, {"dataset_dir": str(trained[0])}).workflow.parser
        segmenter = parser.get_parsed_content("segmenter")
        network = segmenter.network.train()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        list(predict_items(segmenter, to_items(list_samples(trained[0], "test")), "test"))
        assert network.training
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())

    def test_ranges_are_of_the_middle_of_some_images(self, segmenter, trained, monkeypatch):
        """However many there are, and however large."""
        seen = []
        monkeypatch.setattr(sample_predictions, "MEASURED", 2)
        monkeypatch.setattr(sample_predictions, "MIDDLE", 32)
        own, network = segmenter, nn.Identity()
        network.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
        recording = Segmenter(network, own.inferer, own.preprocessing, own.head, 0.5, own.device)
        items = to_items(list_samples(trained[0], "train"))
        assert measure_map_ranges(recording, items) == {}
        whole = [own.preprocessing(items[index])[IMAGE] for index in (0, 1)]
        middles = [image[None, :, 32:64, 40:72] for image in whole]
        assert len(items) == 3
        assert all(
            torch.equal(torch.as_tensor(one), torch.as_tensor(other)) for one, other in zip(seen, middles, strict=True)
        )

    def test_a_region_is_predicted_alone(self, segmenter, trained):
        held = partition(trained[0]).validation
        found = list(predict_items(segmenter, to_items(held), "validation"))
        for one, sample in zip(found, held, strict=True):
            region = sample.region
            assert one.mask.shape == (region.bottom - region.top, region.right - region.left)
            assert (one.truth == (region.crop(read_label(sample.label)) > 0)).all()
            assert one.region == region
            assert (one.true_cells == region.crop(read_label(sample.label))).all()
            assert one.cells.shape == one.mask.shape

    def test_an_image_that_cannot_be_read_is_skipped(self, segmenter, folder):
        (folder / "test/images/test_00.tif").write_bytes(b"no image")
        items = to_items(pick_unseen(folder, 6, 0))
        assert [one.name for one in predict_items(segmenter, items, "test")] == ["test_01"]

    def test_images_are_read_when_they_are_asked_for(self, segmenter, folder):
        images = predict_items(segmenter, to_items(pick_unseen(folder, 6, 0)), "test")
        assert next(images).name == "test_00"
        (folder / "test/images/test_01.tif").unlink()
        assert list(images) == []
