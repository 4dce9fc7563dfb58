"""Targets beside labels that keep their instance ids."""

import torch
from monai.data import MetaTensor

from livecell_monai.network import Head
from livecell_monai.transforms import DeriveTargetd


def test_the_label_keeps_its_ids_and_the_target_its_place():
    label = MetaTensor(torch.tensor([[0.0, 5.0, 9.0]])[None], meta={"spatial_shape": [1, 3]})
    sample = DeriveTargetd(Head())({"label": label, "image": 1})
    assert sample["label"] is label
    assert sample["target"].tolist() == [[[0.0, 1.0, 1.0]]]
    assert sample["target"].meta["spatial_shape"] == [1, 3]


def test_without_a_label_nothing_is_added():
    assert DeriveTargetd(Head())({"image": 1}) == {"image": 1}
