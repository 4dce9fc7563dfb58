"""One iteration of an evaluator: outputs, images that do not fit, unlabelled pixels."""

from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.engines.utils import IterationEvents
from monai.metrics import ConfusionMatrixMetric, MeanIoU

from livecell_monai.errors import DataError, TooLargeError
from livecell_monai.network import Head
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction import evaluation_step
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.prediction.evaluation_step import EvaluationStep, labelled_pixels, predict_sample
from livecell_monai.prediction.prepared import name_of
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.sample import IMAGE

IDS = torch.tensor([[0.0, 7.0, 7.0, 300.0]])[None]


class Doubling(torch.nn.Module):
    def forward(self, image):
        return image * 2


def segmenter_of(network):
    inferer = WindowInferer(Accelerator("cpu-fp32"), [64, 64], 1)
    return Segmenter(network, inferer, None, Head(), 0.6, torch.device("cpu"))


def sample_of(**planes):
    image = torch.tensor([[-1.0, 0.0, 0.5, 1.0]])[None]
    return {"image": image, "grid": torch.tensor([1, 4])} | planes


class TestPredictSample:
    def test_a_sample_with_a_problem_is_empty(self):
        found = predict_sample(segmenter_of(None), sample_of(problem="dark", grid=torch.tensor([3, 5])))
        assert {name: (plane.shape, int(plane.count_nonzero())) for name, plane in found.items()} == {
            "pred": ((1, 3, 5), 0),
            "maps": ((1, 3, 5), 0),
        }

    def test_maps_and_mask(self):
        found = predict_sample(segmenter_of(Doubling()), sample_of())
        assert set(found) == {"pred", "maps"}
        torch.testing.assert_close(found["maps"], torch.sigmoid(torch.tensor([[[-2.0, 0.0, 1.0, 2.0]]])))
        assert found["pred"].tolist() == [[[0.0, 0.0, 1.0, 1.0]]]

    def test_a_label_of_ids_becomes_the_true_mask(self):
        found = predict_sample(segmenter_of(Doubling()), sample_of(label=MetaTensor(IDS)))
        assert found["label"].tolist() == [[[0.0, 1.0, 1.0, 1.0]]]
        assert type(found["label"]) is torch.Tensor

    def test_for_a_loss_there_are_logits_and_target_with_the_weight_behind_it(self):
        weight = torch.tensor([[1.0, 0.0, 2.0, 3.0]])[None]
        found = predict_sample(segmenter_of(Doubling()), sample_of(label=IDS, weight=weight), with_loss=True)
        assert found["logits"].tolist() == [[[-2.0, 0.0, 1.0, 2.0]]]
        assert found["target"].tolist() == [[[0.0, 1.0, 1.0, 1.0]], [[1.0, 0.0, 2.0, 3.0]]]
        assert found["labelled"].tolist() == [[[True, False, True, True]]]


@pytest.mark.parametrize("with_cells", [False, True])
def test_cells_come_on_request(with_cells):
    engine = Engine(EvaluationStep(segmenter_of(Doubling()), with_cells=with_cells))
    for event in (IterationEvents.FORWARD_COMPLETED, IterationEvents.MODEL_COMPLETED):
        engine.register_events(event)
    batch = {key: plane[None] for key, plane in sample_of(label=IDS).items()}
    engine.run([batch])
    (found,) = engine.state.output
    assert ("cells" in found) == ("true_cells" in found) == with_cells
    if with_cells:
        assert found["cells"].tolist() == [[[0, 0, 1, 1]]]
        assert found["true_cells"].tolist() == [[[0, 7, 7, 300]]]


class Failing(torch.nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, image):
        raise self.error


def batch_of(image):
    return {"image": image, "grid": torch.tensor([[8, 8]])}


@pytest.mark.parametrize("error", [TooLargeError("a.tif: too large"), MemoryError("8 GiB")], ids=repr)
def test_an_image_that_does_not_fit_is_recorded_and_skipped(error, monkeypatch):
    dataset = ReadableDataset([], lambda item: item)
    engine = SimpleNamespace(state=SimpleNamespace(batch=1, output={"image": 2}))
    image = MetaTensor(torch.rand(1, 1, 8, 8), meta={"filename_or_obj": ["in/a.tif"]})
    monkeypatch.setattr(evaluation_step, "predict_sample", lambda *_: Failing(error)(image))
    segmenter = segmenter_of(Failing(error))
    assert EvaluationStep(segmenter, dataset)(engine, {IMAGE: image}) == []
    assert (engine.state.batch, engine.state.output) == ([], [])
    ((path, words),) = dataset.failures.items()
    assert path == name_of(image)
    assert words.startswith("a.tif: too large" if isinstance(error, TooLargeError) else "in/a.tif: must fit into memory")
    with pytest.raises(type(error)):  # where every image counts
        EvaluationStep(segmenter)(engine, {IMAGE: image})


@pytest.mark.parametrize("error", [DataError("a.tif: no room"), RuntimeError("a fault"), KeyboardInterrupt()], ids=repr)
def test_anything_else_is_raised(error):
    engine = SimpleNamespace(state=SimpleNamespace(batch=1, output={}))
    with pytest.raises(type(error)):
        EvaluationStep(segmenter_of(Failing(error)), ReadableDataset([], lambda item: item))(
            engine, batch_of(torch.rand(1, 1, 8, 8))
        )


class TestLabelledPixels:
    PRED = torch.tensor([[1.0, 1.0, 0.0, 0.0]])[None]
    TRUE = torch.tensor([[1.0, 0.0, 0.0, 1.0]])[None]
    LABELLED = torch.tensor([[True, False, True, True]])[None]

    def outputs(self, *which):
        return [{"pred": self.PRED, "label": self.TRUE, **({"labelled": self.LABELLED} if some else {})} for some in which]

    def test_where_all_are_labelled_nothing_changes(self):
        preds, truths = labelled_pixels(self.outputs(False, False))
        assert preds[1] is self.PRED
        assert truths[0] is self.TRUE
        whole = {"pred": self.PRED[None], "label": self.TRUE[None]}
        assert labelled_pixels(whole)[0] is whole["pred"]

    @pytest.mark.parametrize("is_batch", [False, True])
    def test_unlabelled_pixels_count_in_no_metric(self, is_batch):
        output = self.outputs(True)
        if is_batch:
            output = {key: value[None] for key, value in output[0].items()}
        iou, accuracy = MeanIoU(ignore_empty=False), ConfusionMatrixMetric(metric_name="accuracy")
        for metric in (iou, accuracy):
            metric(*labelled_pixels(output))
        assert float(iou.aggregate()) == pytest.approx(1 / 2)  # 1 / 3 of all pixels
        assert float(accuracy.aggregate()[0]) == pytest.approx(2 / 3)  # 1 / 2 of all pixels

    def test_a_sample_without_a_labelled_pixel_is_left_out(self):
        empty = {"pred": self.PRED, "label": self.TRUE, "labelled": torch.zeros_like(self.LABELLED)}
        assert len(labelled_pixels([empty, *self.outputs(True)])[0]) == 1
        assert labelled_pixels([empty])[0][0].shape == (1, 1)


def test_what_is_not_annotated_counts_in_no_metric():
    label = torch.tensor([[-1.0, 7.0, -1.0, 0.0]])[None]
    found = predict_sample(segmenter_of(Doubling()), sample_of(label=label), with_loss=True)
    assert found["label"].tolist() == [[[0.0, 1.0, 0.0, 0.0]]]
    assert found["labelled"].tolist() == [[[False, True, False, True]]]
    assert (found["target"] < 0).tolist() == [[[True, False, True, False]]]
    weight = torch.tensor([[1.0, 0.0, 2.0, 3.0]])[None]
    found = predict_sample(segmenter_of(Doubling()), sample_of(label=label, weight=weight))
    assert found["labelled"].tolist() == [[[False, False, False, True]]]
