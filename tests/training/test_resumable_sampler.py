"""The sampler's draws are torch's, and go on where they were stopped."""

import itertools

import torch
from torch.utils.data import RandomSampler

from livecell_monai.training.resumable_sampler import ResumableSampler


def build(kind=ResumableSampler):
    torch.manual_seed(3)
    return kind(range(5), replacement=True, num_samples=70)


def test_are_those_of_torch():
    own, theirs = build(), build(RandomSampler)
    torch.manual_seed(1)
    expected = [list(theirs), list(theirs)]
    torch.manual_seed(1)
    assert [list(own), list(own)] == expected
    assert expected[0] != expected[1]


def test_go_on_where_they_were():
    draws = build()
    whole = list(draws)
    torch.manual_seed(3)
    epoch = iter(draws)
    first = list(itertools.islice(epoch, 40))
    again = build()
    again.load_state_dict(draws.state_dict())
    assert first + list(again) == whole
    assert len(list(again)) == 70  # the epoch behind is whole again


def test_at_the_end_of_an_epoch_the_next_one_is_drawn():
    draws, again = build(), build()
    list(draws)
    again.load_state_dict(draws.state_dict())
    assert len(list(again)) == 70
