"""Random states kept and set again: what is drawn afterwards is drawn once more."""

import io
import random

import numpy as np
import torch
from monai.transforms import Compose, RandFlipd, RandRotated, RandZoomd

from livecell_monai.training.random_states import RandomStates, find_random


def build_transform():
    keys = {"keys": ["image"], "prob": 1.0}
    parts = [
        RandRotated(range_x=1.0, **keys),
        Compose([RandZoomd(**keys), RandFlipd(spatial_axis=0, keys=["image"], prob=0.5)]),
    ]
    return Compose(parts).set_random_state(seed=7)


def draw(transform):
    random.gauss(0, 1)  # leaves the second of a pair behind
    numbers = [random.random(), random.gauss(0, 1), float(np.random.rand()), float(np.random.standard_normal())]
    image = transform({"image": torch.arange(64.0).reshape(1, 8, 8)})["image"]
    return [*numbers, *torch.rand(3).tolist(), *image.flatten().tolist()]


def test_what_follows_is_drawn_again():
    transform = build_transform()
    states = RandomStates(transform)
    draw(transform)
    kept = states.state_dict()
    first = draw(transform)
    assert draw(transform) != first
    states.load_state_dict(kept)
    assert draw(transform) == first


def test_in_another_process_too():
    """As a checkpoint holds it, read without a pickle, and set in transforms that were made anew."""
    transform = build_transform()
    draw(transform)
    file = io.BytesIO()
    torch.save(RandomStates(transform).state_dict(), file)
    first = draw(transform)
    file.seek(0)
    again = build_transform()
    RandomStates(again).load_state_dict(torch.load(file, weights_only=True))
    assert draw(again) == first


def test_every_part_that_draws_is_found():
    """The dictionary transforms, what they are made of, and what holds them."""
    kinds = [type(one).__name__ for one in find_random(build_transform())]
    expected = ["Compose", "RandRotated", "RandRotate", "Compose", "RandZoomd", "RandZoom", "RandFlipd"]
    assert [kind for kind in kinds if kind in expected] == expected
    assert list(find_random(None)) == []
