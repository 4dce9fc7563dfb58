"""What the engine takes out of a batch."""

import pytest
import torch
from monai.data import MetaTensor

from livecell_monai.network import Head
from livecell_monai.training.batches import ToMasks, prepare_batch

CPU = torch.device("cpu")
IMAGE, TARGET, WEIGHT = (torch.full((2, 1, 4, 6), float(value)) for value in (1, 2, 3))


@pytest.mark.parametrize("wrap", [lambda plane: plane, MetaTensor], ids=["tensor", "MetaTensor"])
class TestPrepareBatch:
    def test_target_alone(self, wrap):
        image, target = prepare_batch({"image": wrap(IMAGE), "target": wrap(TARGET), "name": ["a", "b"]}, CPU)
        assert torch.equal(torch.as_tensor(image), IMAGE)
        assert torch.equal(target, TARGET)
        assert type(target) is torch.Tensor

    def test_the_weight_stands_behind_the_target(self, wrap):
        _, target = prepare_batch({"weight": wrap(WEIGHT), "image": wrap(IMAGE), "target": wrap(TARGET)}, CPU)
        assert torch.equal(target, torch.cat([TARGET, WEIGHT], dim=1))

    def test_further_arguments_reach_the_tensors(self, wrap):
        batch = {"image": wrap(IMAGE), "target": wrap(TARGET)}
        assert {part.dtype for part in prepare_batch(batch, CPU, dtype=torch.float64)} == {torch.float64}


class TestToMasks:
    LOGITS = torch.tensor([-1.0, 0.0, 0.5, 2.0]).reshape(1, 1, 1, 4)
    TRUE = torch.tensor([0.0, 1.0, 1.0, 0.0]).reshape(1, 1, 1, 4)

    def test_logits_and_targets_become_masks(self):
        made = ToMasks(Head(), 0.6)({"pred": self.LOGITS, "label": self.TRUE, "loss": 1.0})
        assert made["pred"].tolist() == [[[[0.0, 0.0, 1.0, 1.0]]]]
        assert torch.equal(made["label"], self.TRUE)
        assert (made["loss"], set(made)) == (1.0, {"pred", "label", "loss"})

    def test_unlabelled_pixels_are_noted(self):
        weight = torch.tensor([1.0, 0.0, 5.0, 0.5]).reshape(1, 1, 1, 4)
        made = ToMasks(Head(), 0.5)({"pred": self.LOGITS, "label": torch.cat([self.TRUE, weight], dim=1)})
        assert torch.equal(made["label"], self.TRUE)
        assert made["labelled"].flatten().tolist() == [True, False, True, True]
