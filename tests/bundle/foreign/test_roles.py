"""What channels are, by their names, and the maps that follow from them."""

import numpy as np
import pytest

from livecell_monai.bundle.foreign.roles import Role, check_roles, combine, guess_roles, list_maps, parse_roles
from livecell_monai.bundle.foreign.tensors import Tensor


def tensor(*channels, name="output0", description="", is_unit=False):
    return Tensor(name, "bcyx", channels, description, is_unit=is_unit)


def kinds(*tensors):
    return [role.kind for role in guess_roles(tensors)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("foreground", "boundary"), ["foreground", "border"]),
        (("Cell_Border", "cell mask"), ["border", "foreground"]),
        (("background", "nuclei", "nuclei-edges"), ["background", "foreground", "border"]),
        (("probability", "dist"), ["foreground", "distance"]),
        (("channel0", "channel1"), ["ignore", "ignore"]),
        (("ledger", "masked"), ["ignore", "ignore"]),  # whole words only
        (("whatever",), ["foreground"]),
    ],
)
def test_channels_are_known_by_their_names(names, expected):
    assert kinds(tensor(*names)) == expected


def test_tensors_of_one_channel_are_known_by_their_own_name_or_description():
    assert kinds(tensor("", name="mask"), tensor("channel0", name="edges")) == ["foreground", "border"]
    assert kinds(tensor("", description="distance to the edge")) == ["border"]  # the more special word first
    assert kinds(tensor("", "", name="foreground")) == ["ignore", "ignore"]


def test_a_stated_range_is_a_unit():
    (role,) = guess_roles([tensor("foreground", is_unit=True)])
    assert role == Role("foreground", "")
    assert guess_roles([tensor("foreground")]) == [Role("foreground", None)]


def test_the_setting_is_parsed():
    found = parse_roles(["foreground", "border:logits", "distance:px", "background:probability", "ignore"])
    assert [(role.kind, role.unit) for role in found] == [
        ("foreground", None),
        ("border", "logits"),
        ("distance", "px"),
        ("background", ""),
        ("ignore", None),
    ]
    assert [str(role) for role in found[:2]] == ["foreground", "border in logits"]


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (["foreground", "ignore"], None),
        (["background", "border"], None),
        (["border", "distance"], "must have a foreground or a background, found none"),
        (["ignore"], "must have a foreground or a background, found none"),
        (["foreground", "foreground"], "must have one foreground at most, found 2"),
    ],
)
def test_a_mask_must_follow(names, wrong):
    assert check_roles(parse_roles(names)) == wrong


class TestCombine:
    A, B, C = (np.full((2, 3), value, np.float32) for value in (0.75, 0.25, 0.5))

    def of(self, names, *planes):
        roles = [Role(role.kind, role.unit or "") for role in parse_roles(names)]
        found = combine(roles, np.stack(planes), 20.0)
        assert (found.dtype, len(found)) == (np.float32, len(list_maps(roles)))
        return found[:, 0, 0].tolist()

    def test_the_foreground_alone(self):
        assert self.of(["ignore", "foreground"], self.A, self.B) == [0.25]
        assert list_maps(parse_roles(["foreground"])) == ("foreground",)

    def test_a_background_is_the_rest(self):
        assert self.of(["background"], self.A) == [0.25]
        assert self.of(["background", "foreground"], self.A, self.B) == [0.25]
        # of three classes, the border belongs to the cells
        assert self.of(["background", "foreground", "border"], self.B, self.A, self.C) == [0.75, 0.375]

    def test_a_border_takes_the_place_of_a_distance(self):
        assert self.of(["foreground", "border"], self.A, self.B) == [0.75, 0.75 * 0.75]
        assert self.of(["foreground", "border", "distance"], self.A, self.B, self.C) == [0.75, 0.5]
        assert list_maps(parse_roles(["foreground", "border"])) == ("foreground", "distance")

    def test_units(self):
        assert self.of(["foreground:logits"], np.zeros((2, 3), np.float32)) == [0.5]
        assert self.of(["foreground:logits"], np.full((2, 3), -1e4, np.float32)) == [0]
        assert self.of(["foreground", "distance:px"], self.A, np.full((2, 3), 4, np.float32)) == pytest.approx([0.75, 0.4])
        assert self.of(["foreground", "distance:px"], self.A, np.full((2, 3), 40, np.float32)) == [0.75, 1]

    def test_slight_overshoots_are_clipped(self):
        assert self.of(["foreground"], np.full((2, 3), 1.01, np.float32)) == [1]
