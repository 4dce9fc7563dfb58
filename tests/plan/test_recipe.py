"""From a fingerprint to settings: each rule at its limits, and a plan that the bundle accepts."""

import re
from dataclasses import fields, replace

import hypothesis.strategies as st
import pytest
from hypothesis import given
from monai.bundle import ConfigParser

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.plan import Fingerprint, format_plan, plan_training, write_plan
from livecell_monai.settings import check_settings, list_settings

TRAINING = ("inference", "train")
MEASURED = {
    "cells": 100,
    "touching": 30,
    "border_areas": (30, 70, 110, 90, 400, 1200),
    "diameter_px": 40.0,
    "diameter_by_image": (40.0,),
    "saturated": 0.0,
    "sizes": ((1000, 1200), (1000, 1200)),
    "foreground": 0.137,
    "illumination": 0.02,
    "noise": 0.01,
}
#: a set that nothing needs to be changed for; what a plan does not go by is None
USUAL = Fingerprint(**{field.name: MEASURED.get(field.name) for field in fields(Fingerprint)})


def planned(minutes=0.0, multiple=32, **changes):
    """Values by name of the plan for the usual set, changed."""
    return {name: choice.value for name, choice in plan_training(replace(USUAL, **changes), minutes, multiple).items()}


class TestScale:
    @pytest.mark.parametrize(
        ("diameter", "factor"),
        [
            (0, 1.0),  # no cells
            (40, 1.0),
            (25, 1.0),  # 1.6 is not worth a resampling
            (24.9, 1.5),
            (57.1, 1.0),  # nor is 0.7
            (57.2, 0.75),
            (20, 2.0),
            (16, 2.5),
            (80, 0.5),
            (160, 0.25),
            (5000, 0.25),  # the least
            (10, 4.0),
            (3, 4.0),  # the greatest
        ],
    )
    def test_brings_a_cell_to_about_40_pixels(self, diameter, factor):
        assert planned(diameter_px=float(diameter))["scale"] == factor

    @pytest.mark.parametrize(("minutes", "share"), [(0, 1), (0.01, 0.5), (1, 0.5), (1.49, 0.5), (1.5, 1), (5, 1)])
    @pytest.mark.parametrize("diameter", [20.0, 40.0, 200.0])
    def test_a_short_time_halves_it(self, minutes, share, diameter):
        assert planned(minutes, diameter_px=diameter)["scale"] == share * planned(diameter_px=diameter)["scale"]

    def test_without_cells_images_keep_their_size(self):
        assert planned(1.0, diameter_px=0.0)["scale"] == 1.0

    @given(diameter=st.floats(10, 160))
    def test_scaled_cells_suit_the_network(self, diameter):
        assert 40 / 1.65 <= diameter * planned(diameter_px=diameter)["scale"] <= 40 * 1.65

    @pytest.mark.parametrize(
        ("diameter", "minutes", "words"),
        [
            (0, 0, "no cell was measured"),
            (38, 0, "is 38 px across, which suits the network"),
            (20, 0, "is 20 px across; scaled to 40"),
            (20, 1, "is 20 px across; halved because time is short"),
        ],
    )
    def test_has_a_reason(self, diameter, minutes, words):
        assert words in plan_training(replace(USUAL, diameter_px=float(diameter)), minutes)["scale"].reason

    def test_is_not_halved_with_a_start(self):
        """It has seen cells at the full scale."""
        small = replace(USUAL, diameter_px=20.0)
        assert plan_training(small, 1.0, has_start=True)["scale"] == plan_training(small)["scale"]


class TestCells:
    def test_the_map_is_learned_where_cells_touch(self):
        plan = plan_training(replace(USUAL, cells=200, touching=50))
        assert plan["maps"].value == ["foreground", "distance"]
        assert plan["maps"].reason == "25% of the cells touch another one"

    def test_otherwise_necks_of_the_mask_separate_cells(self):
        plan = plan_training(replace(USUAL, touching=0))
        assert plan["maps"].value == ["foreground"]
        assert "necks of the mask" in plan["maps"].reason

    @pytest.mark.parametrize(
        ("diameter", "depth", "typical", "area"), [(40.0, 2.0, 40.0, 63), (0.0, 1.0, 1.0, 1), (69.37, 3.5, 69.4, 189)]
    )
    def test_lengths_follow_the_median_cell(self, diameter, depth, typical, area):
        values = planned(diameter_px=diameter)
        assert (values["seed_depth"], values["cell_diameter"], values["min_cell_area"]) == (depth, typical, area)

    @pytest.mark.parametrize(
        ("areas", "least"),
        [
            ((70, 90, 110, 400, 1200), 56),
            ((10, 70, 90, 110, 400, 1200), 56),  # smaller than other cells may be
            ((70, 90, 110, 400), 0),  # too few to know
            ((), 0),
        ],
    )
    def test_cells_at_the_border_are_as_small_as_annotated_ones(self, areas, least):
        choice = plan_training(replace(USUAL, border_areas=areas))["min_border_cell_area"]
        assert choice.value == least
        assert ("too few" in choice.reason) == (least == 0)


class TestPercentiles:
    @pytest.mark.parametrize(
        ("saturated", "low", "high"),
        [
            (0.0, 0.1, 99.9),
            (0.001, 0.1, 99.9),
            (0.002, 0.2, 99.8),
            (0.013, 1.3, 98.7),
            (0.0131, 1.4, 98.6),
            (0.00201, 0.3, 99.7),
            (0.02, 2, 98),
            (0.3, 2, 98),
            (1.0, 2, 98),
        ],
    )
    def test_exclude_saturated_pixels(self, saturated, low, high):
        assert planned(saturated=saturated)["percentiles"] == pytest.approx([low, high])

    def test_the_reason_has_the_saturated_fraction(self):
        assert "1.25% of the pixels" in plan_training(replace(USUAL, saturated=0.0125))["percentiles"].reason


class TestEpochs:
    @pytest.mark.parametrize(
        ("minutes", "epochs"), [(0.1, 4), (2, 4), (2.2, 4), (2.5, 5), (5, 10), (10, 20), (20, 40), (500, 40)]
    )
    def test_last_half_a_minute(self, minutes, epochs):
        assert planned(minutes)["epochs"] == epochs

    def test_are_not_planned_without_minutes(self):
        assert "epochs" not in planned(0)


class TestPatches:
    @pytest.mark.parametrize(
        ("size", "working", "multiple", "edge"),
        [
            ((1000, 1200), 1, 32, 256),
            ((256, 200), 1, 32, 256),
            ((100, 225), 1, 32, 256),
            ((100, 224), 1, 32, 224),
            ((224, 100), 1, 32, 224),
            ((100, 225), 1, 16, 240),
            ((100, 224), 2, 32, 256),
            ((10, 10), 1, 32, 32),
            ((400, 400), 0.5, 32, 224),
        ],
    )
    def test_are_no_larger_than_the_largest_image(self, size, working, multiple, edge):
        plan = planned(multiple=multiple, sizes=((5, 5), size), diameter_px=40 / working)
        assert plan["scale"] == working
        assert plan["patch_size"] == [edge, edge]

    @pytest.mark.parametrize(("edge", "batch"), [(256, 16), (224, 20), (192, 28), (160, 40), (128, 64), (32, 64)])
    def test_a_batch_has_as_many_pixels_as_16_large_patches(self, edge, batch):
        plan = planned(sizes=((edge, edge), (edge, edge)))
        assert plan["patch_size"] == [edge, edge]
        assert plan["batch_size"] == batch

    @pytest.mark.parametrize(
        ("edge", "processes", "batch"), [(256, 1, 16), (256, 2, 16), (256, 3, 15), (192, 8, 24), (256, 32, 32), (32, 7, 63)]
    )
    def test_processes_share_a_batch_equally(self, edge, processes, batch):
        alone, plan = (plan_training(replace(USUAL, sizes=((edge, edge),) * 2), processes=count) for count in (1, processes))
        assert plan["batch_size"].value == batch
        is_other = batch != alone["batch_size"].value
        assert (f"; a multiple of the {processes} processes" in plan["batch_size"].reason) is is_other

    @pytest.mark.parametrize(("minutes", "batch"), [(0, 16), (1, 8), (1.49, 8), (1.5, 16), (30, 16)])
    def test_a_short_time_halves_the_batch(self, minutes, batch):
        assert planned(minutes)["batch_size"] == batch

    def test_the_reason_has_the_number_of_cells_across(self):
        plan = plan_training(replace(USUAL, diameter_px=20.0))
        assert "6 cells across" in plan["patch_size"].reason  # 256 pixels at twice the size
        assert "no cell was measured" in plan_training(replace(USUAL, diameter_px=0.0))["patch_size"].reason


class TestZoom:
    @pytest.mark.parametrize(
        ("diameters", "reach"),
        [
            ((40,), 1.3),
            ((40, 40, 40), 1.3),
            ((0, 40), 1.3),
            ((0, 0), 1.3),
            ((40, 48.4), 1.43),
            ((20, 40), 1.84),
            ((10, 90), 2.0),
        ],
    )
    def test_covers_the_differences_of_the_images_and_a_margin(self, diameters, reach):
        low, high = planned(diameter_by_image=tuple(map(float, diameters)))["zoom"]
        assert high == pytest.approx(reach)
        assert low == pytest.approx(1 / reach, abs=0.006)

    def test_the_order_of_the_images_does_not_matter(self):
        first, second = (planned(diameter_by_image=sizes)["zoom"] for sizes in ((20.0, 30.0, 0.0), (0.0, 30.0, 20.0)))
        assert first == second != planned()["zoom"]


class TestFilters:
    @pytest.mark.parametrize(
        ("diameter", "edge", "levels"),
        [(40, 1000, 5), (0, 1000, 5), (320, 5000, 5), (321, 5000, 6), (900, 1024, 6), (900, 1000, 5), (3, 20, 5)],
    )
    def test_large_cells_get_a_sixth_level_if_images_are_large_enough(self, diameter, edge, levels):
        plan = planned(diameter_px=float(diameter), sizes=((9, 9), (20, edge)))
        assert len(plan["filters"]) == levels
        assert plan["patch_size"][0] % (2 * 2 ** (levels - 1)) == 0

    def test_no_sixth_level_if_the_user_set_sizes_or_levels(self):
        large = replace(USUAL, diameter_px=900.0, sizes=((9, 9), (5000, 5000)))
        assert len(plan_training(large, can_add_level=False)["filters"].value) == 5
        assert plan_training(large, multiple=96, can_add_level=False)["patch_size"].value == [192, 192]
        assert plan_training(large, multiple=96)["patch_size"].value == [192, 192]

    def test_the_reason_has_the_size_of_scaled_cells(self):
        assert "225 px" in plan_training(replace(USUAL, diameter_px=900.0, sizes=((9, 9), (9000, 9000))))["filters"].reason


class TestLight:
    @pytest.mark.parametrize(("found", "value"), [(0.0, 0.5), (0.055, 0.5), (0.1, 0.9), (0.2, 1.5), (5.0, 1.5)])
    def test_covers_twice_the_measured_unevenness(self, found, value):
        assert planned(illumination=found)["illumination"] == value

    @pytest.mark.parametrize(("found", "value"), [(0.0, 0.2), (0.04, 0.2), (0.1, 0.45), (0.5, 0.6)])
    def test_covers_the_measured_noise(self, found, value):
        assert planned(noise=found)["noise"] == value

    def test_the_reason_has_the_measurement(self):
        plan = plan_training(replace(USUAL, illumination=0.1, noise=0.02))
        assert "uneven by 0.45" in plan["illumination"].reason
        assert "is 0.09" in plan["noise"].reason


class TestPlan:
    EXTREMES = (
        {},
        {"diameter_px": 0.0, "diameter_by_image": (0.0,)},
        {"diameter_px": 3.0, "sizes": ((1, 1), (1, 1)), "saturated": 1.0},
        {"diameter_px": 900.0, "sizes": ((9, 9), (5000, 20)), "diameter_by_image": (2.0, 900.0)},
        {"illumination": 9.0, "noise": 9.0, "foreground": 1.0},
    )
    every_plan = pytest.mark.parametrize("changes", EXTREMES, ids=range(len(EXTREMES)))
    all_minutes = pytest.mark.parametrize("minutes", [0.0, 0.05, 5.0, 10_000.0])

    @every_plan
    @all_minutes
    def test_its_yaml_has_the_planned_values(self, changes, minutes, tmp_path):
        plan = plan_training(replace(USUAL, **changes), minutes)
        write_plan(tmp_path / "plan.yaml", plan, "made of 3 images:\n  100 cells\n")
        read = ConfigParser.load_config_files([str(tmp_path / "plan.yaml")])
        assert read == {name: choice.value for name, choice in plan.items()}
        assert list(read) == list(plan)
        assert (tmp_path / "plan.yaml").read_text() == format_plan(plan, "made of 3 images:\n  100 cells\n")

    @every_plan
    @all_minutes
    def test_every_line_has_a_reason(self, changes, minutes):
        plan = plan_training(replace(USUAL, **changes), minutes)
        lines = format_plan(plan).splitlines()
        assert all(line.startswith("#") for line in lines[: lines.index("")])
        for name, line in zip(plan, lines[lines.index("") + 1 :], strict=True):
            assert re.fullmatch(rf"{name}: \S.*  # .{{20,}}", line)
            assert "nan" not in line
            assert "inf " not in line

    def test_the_head_becomes_comments(self):
        text = format_plan(plan_training(USUAL), "3 images\n\n100 cells")
        assert text.splitlines()[1:5] == ["# 3 images", "#", "# 100 cells", ""]
        assert text.endswith("  # " + plan_training(USUAL)["lr"].reason + "\n")

    @every_plan
    @all_minutes
    @pytest.mark.parametrize("multiple", [8, 32, 64])
    def test_every_value_is_valid(self, changes, minutes, multiple):
        known = list_settings(TRAINING)
        plan = planned(minutes, multiple, **changes)
        assert set(plan) <= set(known)
        for name, value in plan.items():
            assert type(value) is type(known[name])
            check_settings({name: value})
            if name in ("window", "patch_size"):
                assert all(edge % multiple == 0 for edge in value)
        assert {"filters", "illumination", "noise", "pos_weight", "lr"} <= set(plan)

    def test_has_the_order_of_the_configs(self):
        known = list(list_settings(TRAINING))
        names = [known.index(name) for name in planned(5.0)]
        assert names == sorted(names)

    def test_the_bundle_opens_with_it(self, tmp_path):
        write_plan(tmp_path / "plan.yaml", plan_training(replace(USUAL, diameter_px=20.0), 5.0))
        opened = open_bundle(
            find_template(), TRAINING, overlays=[str(tmp_path / "plan.yaml")], workflow_type="train"
        ).settings
        assert [opened["scale"], opened["epochs"], opened["zoom"]] == [2.0, 10, [0.77, 1.3]]
        plain = list_settings(TRAINING)
        assert [plain["scale"], plain["epochs"], plain["zoom"]] != [2.0, 10, [0.77, 1.3]]


@pytest.mark.parametrize(("multiple", "edge"), [(512, 512), (96, 192), (32, 256)])
def test_the_patch_size_fits_a_deep_network(multiple, edge):
    assert plan_training(USUAL, multiple=multiple)["patch_size"].value == [edge, edge]


def test_the_patch_is_no_larger_than_what_is_annotated():
    assert planned(longest_px=100)["patch_size"] == [128, 128]
    assert planned(longest_px=256)["patch_size"] == planned()["patch_size"] == [256, 256]
    reason = plan_training(replace(USUAL, longest_px=100), 0.0, 32)["patch_size"].reason
    assert reason.endswith("images are 1000 x 1200 or larger, annotated over 100 px at most")
