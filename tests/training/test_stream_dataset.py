from itertools import islice

import numpy as np
import pytest
import torch

from livecell_monai.data.stream.fields import FIELD_SIDE, StreamField, draw_stream_field
from livecell_monai.network import Head
from livecell_monai.training.stream_dataset import StreamDataset, to_stack
from livecell_monai.transforms import NormaliseContrast

HEAD = Head(["foreground", "distance"])


def test_a_stack_has_the_normalised_image_and_the_targets() -> None:
    field = draw_stream_field(0, 1)
    stack = to_stack(field, HEAD)
    assert stack.shape == (3, FIELD_SIDE, FIELD_SIDE)
    assert stack.dtype == torch.float32
    assert type(stack) is torch.Tensor
    assert torch.equal(stack[1] > 0, torch.from_numpy(field.label > 0))
    assert stack[2].min() == 0
    assert float(stack[0].median()) == pytest.approx(0, abs=0.1)


def test_clipped_values_have_no_say() -> None:
    field = draw_stream_field(0, 1)
    more, less = (to_stack(field, HEAD, clipped)[0] for clipped in (1.0, 0.1))
    assert more.max() != less.max()
    assert (more == more.max()).float().mean() > (less == less.max()).float().mean()


def test_scaling_to_0_and_1_first_as_a_training_does_changes_nothing() -> None:
    field = draw_stream_field(0, 2)
    image = torch.from_numpy(field.image.astype("float32"))[None]
    scaled = NormaliseContrast()((image - image.min()) / (image.max() - image.min()))
    assert not torch.equal(image, scaled)
    torch.testing.assert_close(to_stack(field, HEAD)[:1], scaled, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("workers", [0, 2])
def test_any_number_of_workers_gives_the_same_stacks(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(seed: int, index: int, domains: object) -> StreamField:
        grey = np.full((8, 8), 100 * seed, np.uint8)
        grey[0, : index % 8] += 1
        return StreamField(grey, (grey > 100 * seed).astype(np.uint16), "dic", 40.0)

    monkeypatch.setattr("livecell_monai.data.stream.fields.draw_stream_field", draw)
    stacks = list(islice(StreamDataset(HEAD, seed=1, first=3).load(workers), 5))
    assert [int(stack[1].sum()) for stack in stacks] == [3, 4, 5, 6, 7]
