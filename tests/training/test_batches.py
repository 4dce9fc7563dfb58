"""What the engine takes out of a batch."""

import pytest
import torch
from monai.data import MetaTensor

from livecell_monai.training.batches import prepare_batch

CPU = torch.device("cpu")
IMAGE, LABEL, BORDER = (torch.full((2, 1, 4, 6), float(value)) for value in (1, 2, 3))


@pytest.mark.parametrize("wrap", [lambda plane: plane, MetaTensor], ids=["tensor", "MetaTensor"])
class TestPrepareBatch:
    def test_label_alone(self, wrap):
        image, target = prepare_batch({"image": wrap(IMAGE), "label": wrap(LABEL), "name": ["a", "b"]}, CPU)
        assert torch.equal(torch.as_tensor(image), IMAGE)
        assert torch.equal(target, LABEL)
        assert type(target) is torch.Tensor

    def test_border_stands_behind_the_label(self, wrap):
        _, target = prepare_batch({"border": wrap(BORDER), "image": wrap(IMAGE), "label": wrap(LABEL)}, CPU)
        assert torch.equal(target, torch.cat([LABEL, BORDER], dim=1))

    def test_further_arguments_reach_the_tensors(self, wrap):
        batch = {"image": wrap(IMAGE), "label": wrap(LABEL)}
        assert {part.dtype for part in prepare_batch(batch, CPU, dtype=torch.float64)} == {torch.float64}
