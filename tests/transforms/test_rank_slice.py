"""The rows of a batch that a process has, and the numbers that go with them."""

import pytest
import torch

from livecell_monai.transforms.rank_slice import WHOLE_BATCH, BatchRng, RankSlice


@pytest.mark.parametrize(("count", "world"), [(1, 1), (6, 1), (6, 2), (6, 6), (12, 4)])
def test_every_row_is_one_process_own(count, world):
    rows = [list(range(count))[RankSlice(rank, world).rows] for rank in range(world)]
    assert sorted(row for own in rows for row in own) == list(range(count))
    assert {len(own) for own in rows} == {count // world}


def test_alone_a_process_has_them_all():
    assert list(range(5))[WHOLE_BATCH.rows] == list(range(5))


@pytest.mark.parametrize("draw", ["uniform", "signed", "normal"])
def test_numbers_are_those_of_the_rows_and_the_stream_goes_on_alike(draw):
    def stream(share):
        chance = BatchRng(torch.Generator().manual_seed(2), 6, share)
        return [getattr(chance, draw)(), getattr(chance, draw)(2, 3), chance.uniform()]

    whole = stream(WHOLE_BATCH)
    assert [len(numbers) for numbers in whole] == [6, 6, 6]
    for rank in range(3):
        for own, all_ in zip(stream(RankSlice(rank, 3)), whole, strict=True):
            assert torch.equal(own, all_[rank::3])
    assert (torch.cat([numbers.flatten() for numbers in whole]) < 0).any() == (draw != "uniform")
