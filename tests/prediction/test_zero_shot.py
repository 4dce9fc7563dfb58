"""The scale for the shipped start, from the images or as given; a trained bundle keeps its own."""

import logging

import numpy as np
import pytest
import tifffile

from livecell_monai.bundle.contents import read_metadata
from livecell_monai.bundle.ensemble import note_study
from livecell_monai.bundle.start import write_start_bundle
from livecell_monai.errors import SettingError
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.prediction import zero_shot
from livecell_monai.prediction.zero_shot import NOTE, UNSEEN, check_diameter, fit_settings
from tests.support.starts import make_start, shipped
from tests.support.worlds import picture_of, some_cells

ACCELERATOR = {"accelerator": "cpu"}


@pytest.fixture
def bundle(tmp_path):
    with shipped(tmp_path / "shipped.safetensors", make_start()):
        return write_start_bundle(tmp_path / "bundle")


@pytest.fixture
def estimates(monkeypatch):
    """Sizes by image, in place of those that a network of random weights finds."""
    sizes = [20.0, None, 80.0, 21.0, 19.0, 22.0]
    asked = []

    def measure(image, separate, expected):
        asked.append(expected)
        separate(image)
        return sizes[len(asked) - 1]

    monkeypatch.setattr(zero_shot, "estimate_diameter", measure)
    return sizes, asked


def images(count):
    return [picture_of(some_cells(seed=seed), seed) for seed in range(count)]


def test_a_trained_bundle_keeps_its_settings(trained, caplog):
    assert fit_settings(trained[1], {"threshold": 0.4}, images(2)) == {"threshold": 0.4}
    assert fit_settings(trained[1], None) == {}
    assert not caplog.records
    with pytest.raises(SettingError, match=r"^--diameter must be left out for .*, which was trained"):
        check_diameter(trained[1], 30.0)
    check_diameter(trained[1], None)


def test_each_file_has_its_own_scale_and_arrays_that_of_the_median(bundle, estimates, tmp_path, caplog):
    """Of the frames of a movie that show cells, the median counts."""
    arrays = images(2)
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", arrays[0])
    frames = [{"name": "b", "image": f"{tmp_path}/b.tif", "frame": n, "position": n, "frames": 3} for n in range(3)]
    estimates[0][:] = [60.0, 20.0, None, 22.0, 30.0, None]
    with caplog.at_level(logging.WARNING):
        found = fit_settings(bundle, ACCELERATOR, [*arrays, tmp_path / "a.tif", *frames])
    own = {name: sizes["cell_diameter"] for name, sizes in found.pop("own_settings").items()}
    assert own == {str(tmp_path / "a.tif"): 60.0, str(tmp_path / "b.tif"): 21.0}
    # the median of 60, 21 and 30, of the second array none
    assert found == {**ACCELERATOR, "scale": 1.0, "cell_diameter": 30.0, "seed_depth": 1.5, "min_cell_area": 35}
    assert estimates[1] == [40.0] * 6
    note, size = caplog.messages
    assert note == NOTE
    assert size == (
        "note: cells are taken as 30 px across, estimated in 3 of 4 images (21 to 60 px, each file at its own scale); if "
        "that is wrong, give --diameter PX, in Python the setting cell_diameter"
    )


def test_given_settings_of_all_and_of_single_images_are_kept(bundle, estimates, tmp_path, monkeypatch):
    """An image is measured on its own grid, whatever settings are given for it, and the others keep their estimates."""
    monkeypatch.chdir(tmp_path)
    shapes = []
    measure = zero_shot.estimate_diameter
    monkeypatch.setattr(
        zero_shot, "estimate_diameter", lambda image, *rest: shapes.append(image.shape) or measure(image, *rest)
    )
    for name, pixels in zip("abc", images(3), strict=True):
        tifffile.imwrite(f"{name}.tif", pixels)
    given = {**ACCELERATOR, "min_cell_area": 3, "own_settings": {"a.tif": {"scale": 0.5}, "d.tif": {"seed_depth": 9.0}}}
    found = fit_settings(bundle, given, ["./a.tif", "b.tif", "c.tif"])
    assert set(shapes) == {(1, *images(1)[0].shape)}
    assert found["min_cell_area"] == 3
    assert found["own_settings"] == {
        str(tmp_path / "a.tif"): {"scale": 0.5, "cell_diameter": 20.0, "seed_depth": 1.0},
        str(tmp_path / "b.tif"): {},
        str(tmp_path / "c.tif"): {"scale": 0.5, "cell_diameter": 80.0, "seed_depth": 4.0},
        str(tmp_path / "d.tif"): {"seed_depth": 9.0},
    }
    with pytest.raises(SettingError, match=r"^setting own_settings must be"):
        fit_settings(bundle, {**ACCELERATOR, "own_settings": None}, ["b.tif"])


def test_without_several_files_none_is_said_to_have_its_own_scale(bundle, estimates, tmp_path, caplog):
    tifffile.imwrite(tmp_path / "a.tif", images(1)[0])
    for given, own in ((images(1)[0], 0), (tmp_path / "a.tif", 1)):
        estimates[1].clear()
        assert len(fit_settings(bundle, ACCELERATOR, [given])["own_settings"]) == own
        assert caplog.messages[-1].endswith(
            "estimated in 1 of 1 images (20 to 20 px); if that is wrong, give --diameter PX, in Python the setting "
            "cell_diameter"
        )


def test_of_many_images_some_are_measured(bundle, monkeypatch):
    measured = []
    monkeypatch.setattr(zero_shot, "_measure", lambda _, image, expected: measured.append(image) or 20.0)
    paths = [f"/images/{number}.tif" for number in range(401)]
    shown = images(11)
    found = fit_settings(bundle, ACCELERATOR, [*paths, *shown])
    assert measured[:200] == paths[:400:2]
    assert [next(n for n, one in enumerate(shown) if one is each) for each in measured[200:]] == [0, 2, 4, 6, 8]
    own = found["own_settings"]
    assert [path for path in own if own[path]] == measured[:200]
    assert own.keys() == set(paths)


def test_large_images_have_the_median_of_a_few_windows(bundle, monkeypatch, tmp_path):
    monkeypatch.setattr(zero_shot, "REACH", 40)
    pixels = np.arange(60 * 100, dtype=np.uint16).reshape(60, 100)
    tifffile.imwrite(tmp_path / "large.tif", pixels)
    shown, sizes = [], iter([0.0, 30.0, 20.0, 60.0, 0.0, 80.0])
    monkeypatch.setattr(
        zero_shot, "_measure", lambda _, image, expected: shown.append(image() if callable(image) else image) or next(sizes)
    )
    large = [{"name": "large", "image": str(tmp_path / "large.tif")}]
    own = fit_settings(bundle, ACCELERATOR, ["/a.tif"], None, large)["own_settings"]
    assert {path: sizes["cell_diameter"] for path, sizes in own.items()} == {large[0]["image"]: 30.0, "/a.tif": 80.0}
    starts = [(10, 30), (0, 5), (20, 55), (0, 55), (20, 5)]
    for window, (top, left) in zip(shown, starts, strict=False):
        np.testing.assert_array_equal(window, pixels[top : top + 40, left : left + 40])


def test_of_many_movies_fewer_frames_are_measured(bundle, monkeypatch):
    measured = []
    monkeypatch.setattr(zero_shot, "_measure", lambda _, image, expected: measured.append(image["image"]) or 20.0)
    items = [{"name": f"{m}", "image": f"/m{m}.tif?t={n}", "frames": 40} for m in range(100) for n in range(40)]
    monkeypatch.setattr(zero_shot, "find_key", lambda image: image.split("?")[0])
    assert len(fit_settings(bundle, ACCELERATOR, items)["own_settings"]) == 100
    assert measured[:4] == ["/m0.tif?t=0", "/m0.tif?t=20", "/m1.tif?t=0", "/m1.tif?t=20"]
    assert len(measured) == 200


def test_sizes_are_estimated_from_one_view(bundle, monkeypatch, estimates):
    asked = []
    real = zero_shot.open_segmenter
    monkeypatch.setattr(zero_shot, "open_segmenter", lambda *args: asked.append(args[1]["tta_views"]) or real(*args))
    fit_settings(bundle, {**ACCELERATOR, "tta_views": 8}, images(1))
    assert asked == [1]


def test_what_is_given_is_kept(bundle, estimates, caplog):
    found = fit_settings(bundle, {"cell_diameter": 80.0, "min_cell_area": 3}, images(2))
    assert found == {"scale": 0.5, "cell_diameter": 80.0, "seed_depth": 4.0, "min_cell_area": 3}
    assert fit_settings(bundle, {"scale": [60, 80]}, images(2)) == {"scale": [60, 80]}
    assert not estimates[1]
    check_diameter(bundle, 80.0)


def test_a_given_factor_says_which_size_the_cells_have(bundle, estimates, caplog):
    found = fit_settings(bundle, {"scale": 0.25}, images(2))
    assert found == {"scale": 0.25, "cell_diameter": 160.0, "seed_depth": 8.0, "min_cell_area": 1005}
    assert not estimates[1]
    assert caplog.messages[-1].startswith("note: cells are taken as 160 px across; if yours have another size")
    caplog.clear()
    found = fit_settings(bundle, {"scale": 1.5, "cell_diameter": 80.0, "seed_depth": 9.0}, images(2))
    assert found == {"scale": 1.5, "cell_diameter": 80.0, "seed_depth": 9.0, "min_cell_area": 251}
    assert caplog.messages == [NOTE]


def test_unreadable_images_and_images_without_cells(bundle, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(zero_shot, "estimate_diameter", lambda *_: None)
    (tmp_path / "bad.tif").write_bytes(b"none")
    fit_settings(bundle, ACCELERATOR, [tmp_path / "bad.tif"])
    assert not any(
        "no cell was found" in line for line in caplog.messages
    )  # that it cannot be read is said when it is predicted
    grey = np.random.default_rng(0).integers(0, 255, (32, 40)).astype(np.uint8)  # one of one value only would be rejected
    found = fit_settings(bundle, ACCELERATOR, [tmp_path / "bad.tif", grey])
    assert (found["scale"], found["cell_diameter"]) == (1.0, 40.0)
    assert "no cell was found to estimate their size by" in caplog.messages[-1]


def test_without_images_cells_are_as_the_start_expects_them(bundle, caplog):
    """An export knows no image: its note does not speak of one."""
    assert fit_settings(bundle, ACCELERATOR)["cell_diameter"] == 40.0
    assert caplog.messages == [
        UNSEEN,
        "note: cells are taken as 40 px across; if yours have another size, give --diameter PX, in Python the setting "
        "cell_diameter",
    ]
    caplog.clear()
    fit_settings(bundle, {**ACCELERATOR, "cell_diameter": 30.0})
    assert caplog.messages == [UNSEEN]


def test_int8_gets_the_ranges_of_the_maps(bundle, estimates, tmp_path):
    from tests.support.worlds import write_folder

    items = [{"name": path.stem, "image": str(path)} for path in (write_folder(tmp_path / "d") / "test/images").glob("*")]
    assert RANGES not in read_metadata(bundle)["training"]
    fit_settings(bundle, {**ACCELERATOR, "backend": "int8"}, items)
    assert read_metadata(bundle)["training"][RANGES] is not None


def test_int8_measures_arrays_paths_and_windows_of_large_images(tmp_path, monkeypatch):
    with shipped(tmp_path / "shipped.safetensors", make_start(filters=[8, 32])):  # fewer channels are not rounded
        bundle = write_start_bundle(tmp_path / "bundle")
    given = {**ACCELERATOR, "backend": "int8", "cell_diameter": 40.0}
    monkeypatch.setattr(zero_shot, "REACH", 40)
    pixels = images(1)[0]
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    item = {"name": "a", "image": str(tmp_path / "a.tif")}
    for some, large in (([pixels], []), ([tmp_path / "a.tif"], []), ([], [item])):
        note_study(bundle, {RANGES: {}}, "")
        fit_settings(bundle, given, some, None, large)
        assert read_metadata(bundle)["training"][RANGES]
    with pytest.raises(SettingError, match=r"^setting backend must be .* for the start without images, got int8"):
        fit_settings(bundle, given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cell_diameter": 0}, "setting cell_diameter must be a number above 0, got 0"),
        ({"cell_diameter": "40"}, "setting cell_diameter must be a number above 0, got '40'"),
        ({"scale": 0}, "setting scale must be"),
    ],
)
def test_rejects_given_settings_before_it_computes_with_them(bundle, given, words, caplog):
    with pytest.raises(SettingError, match=f"^{words}"):
        fit_settings(bundle, given, images(1))
    assert not caplog.records
