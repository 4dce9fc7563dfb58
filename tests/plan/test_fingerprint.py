"""Measurements of a set of images: equal weights, regions, and their description."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.readers.read_cache import cached_reads
from livecell_monai.errors import DataError
from livecell_monai.plan import describe_fingerprint, measure_fingerprint
from livecell_monai.plan.image_statistics import measure_image
from livecell_monai.sample import Region
from tests.support.worlds import SHAPE, write_folder, write_sample


def discs(diameter, count, shape=(120, 400)):
    """Instance ids (Y, X) of discs of one diameter in rows, apart from each other and from the border."""
    rows, columns = np.indices(shape)
    pitch = diameter + 4
    across = (shape[1] - 4) // pitch
    label = np.zeros(shape, np.uint16)
    for cell in range(count):
        at = (2 + (cell // across + 0.5) * pitch, 2 + (cell % across + 0.5) * pitch)
        label[np.hypot(rows - at[0], columns - at[1]) <= diameter / 2] = cell + 1
    return label


def exposed(label, contrast=200, seed=0):
    grey = np.random.default_rng(seed).normal(1000, 10, label.shape) + contrast * (label > 0)
    return grey.round().astype(np.uint16)


def write(root, name, label, **options):
    write_sample(root, name, label, image=exposed(label, **options))


def fingerprint_of(root):
    return measure_fingerprint(list_samples(root, "train"))


@pytest.fixture
def unlike(tmp_path):
    """Thirty discs of 12 px in one image, two of 40 px in another."""
    write(tmp_path, "a", discs(12, 30))
    write(tmp_path, "b", discs(40, 2, (60, 100)), seed=1)
    return tmp_path


class TestDiameter:
    def test_each_image_weighs_the_same(self, unlike):
        found = fingerprint_of(unlike)
        pooled = [diameter for one in found.by_image for diameter in one.diameters]
        assert np.median(pooled) == pytest.approx(12, rel=0.05)
        assert found.diameter_px == pytest.approx(26, rel=0.05)  # half way: as many on each side
        assert found.diameter_range_px == pytest.approx((12, 40), rel=0.05)
        assert found.diameter_by_image == pytest.approx((12, 40), rel=0.05)
        assert found.cells == 32

    def test_of_one_image_it_is_the_median(self, tmp_path):
        label = np.zeros((60, 300), np.uint16)
        for cell, diameter in enumerate((10, 16, 22, 40, 44), start=1):
            label[:, 60 * (cell - 1) : 60 * cell][discs(diameter, 1, (60, 60)) > 0] = cell
        write(tmp_path, "a", label)
        found = fingerprint_of(tmp_path)
        diameters = found.by_image[0].diameters
        assert found.diameter_px == pytest.approx(np.median(diameters)) == pytest.approx(22, rel=0.05)
        assert found.diameter_range_px == pytest.approx(np.percentile(diameters, [10, 90]), rel=0.01)

    def test_an_image_without_cells_does_not_count(self, unlike):
        before = fingerprint_of(unlike)
        write(unlike, "c", np.zeros((60, 100), np.uint8))
        found = fingerprint_of(unlike)
        assert (found.diameter_px, found.diameter_range_px) == (before.diameter_px, before.diameter_range_px)
        assert found.diameter_by_image == (*before.diameter_by_image, 0.0)

    def test_without_cells_it_is_0(self, tmp_path):
        write(tmp_path, "a", np.zeros((60, 100), np.uint8))
        found = fingerprint_of(tmp_path)
        assert (found.cells, found.diameter_px, found.diameter_range_px) == (0, 0.0, (0.0, 0.0))
        assert dict(describe_fingerprint(found))["cell diameter"] == "no cell"


class TestSamples:
    def test_files_give_the_same_as_arrays(self, folder):
        samples = list_samples(folder, "train")
        found = measure_fingerprint(iter(samples))
        arrays = [(tifffile.imread(sample.image), tifffile.imread(sample.label), sample.name) for sample in samples]
        assert found.by_image == tuple(measure_image(*array) for array in arrays)

    def test_pixels_outside_of_the_region_do_not_count(self, unlike):
        (sample, _) = list_samples(unlike, "train")
        region = Region(0, 0, 120, 180)
        cropped = measure_fingerprint([replace(sample, region=region)])
        assert cropped.sizes == ((120, 180), (120, 180))
        assert cropped.cells < measure_fingerprint([sample]).cells
        for path, value in ((sample.image, 65_535), (sample.label, 9)):
            pixels = tifffile.imread(path)
            pixels[:, 180:] = value
            tifffile.imwrite(path, pixels)
        assert measure_fingerprint([replace(sample, region=region)]) == cropped
        assert measure_fingerprint([sample]).saturated > 0.5

    def test_the_end_of_a_region_is_no_border_of_the_image(self, tmp_path):
        label = np.zeros((60, 100), np.uint8)
        label[:5, :10], label[20:30, 55:75], label[40:50, 95:] = 1, 2, 3
        write(tmp_path, "a", label)
        (sample,) = list_samples(tmp_path, "train")
        regions = (None, Region(0, 0, 60, 60), Region(0, 60, 60, 100))
        assert [measure_fingerprint([replace(sample, region=one)]).border_areas for one in regions] == [
            (50, 50),
            (50,),
            (50,),
        ]

    def test_images_without_label_are_skipped(self, folder):
        samples = list_samples(folder, "train")
        found = measure_fingerprint([samples[0], replace(samples[1], label=None), samples[2]])
        assert [one.name for one in found.by_image] == ["train_00", "train_02"]
        assert found.images == 2

    @pytest.mark.parametrize("labelled", [True, False])
    def test_rejects_images_without_labels(self, folder, labelled):
        samples = [] if labelled else [replace(sample, label=None) for sample in list_samples(folder, "train")]
        with pytest.raises(DataError, match="needs at least one annotated image, got none; add labels"):
            measure_fingerprint(samples)

    def test_rejects_a_label_of_another_size(self, folder):
        path = folder / "train/labels/train_01.tif"
        tifffile.imwrite(path, np.eye(96, dtype=np.uint8))
        with pytest.raises(
            DataError, match=r"train_01\.tif: a label must have the size of its image, got 96 x 96 for 96 x 112"
        ):
            fingerprint_of(folder)


class TestJoined:
    def test_numbers(self, folder):
        found = fingerprint_of(folder)
        assert (found.images, found.sizes) == (3, (SHAPE, SHAPE))
        for name, join in (
            ("foreground", np.mean),
            ("saturated", np.mean),
            ("polarity", np.median),
            ("illumination", np.median),
            ("noise", np.median),
        ):
            values = [getattr(one, name) for one in found.by_image]
            assert len(set(values)) > 1 or name == "saturated"
            assert getattr(found, name) == pytest.approx(join(values))
        assert found.percentiles == pytest.approx(np.median([one.percentiles for one in found.by_image], axis=0))

    def test_sizes_are_of_the_smallest_and_the_largest(self, unlike):
        write(unlike, "c", discs(20, 3, (200, 61)))
        assert fingerprint_of(unlike).sizes == ((60, 100), (120, 400))

    @pytest.mark.parametrize(
        ("contrasts", "word"),
        [((200, 200, -200), "bright"), ((-200, -200, 200), "dark"), ((200, -200), "mixed"), ((0, 0, 200), "mixed")],
    )
    def test_the_word_is_that_of_the_majority(self, tmp_path, contrasts, word):
        for number, contrast in enumerate(contrasts):
            write(tmp_path, f"{number}", discs(20, 6), contrast=contrast)
        assert fingerprint_of(tmp_path).polarity_word == word

    @pytest.mark.parametrize(
        ("pixels_per_cm", "size", "words"),
        [
            ((20_000, 20_000, 20_000), (0.25, 0.5), "0.25 x 0.5 µm (Y x X)"),
            ((20_000, 20_020, 20_000), (0.25, 0.5), "0.25 x 0.5 µm (Y x X)"),
            ((20_000, 20_000, 30_000), None, "differs between the images"),
            ((20_000, None, 20_000), None, "differs between the images"),
            ((None, None, None), None, "unknown: the files do not state it"),
        ],
    )
    def test_pixel_size_is_common_or_none(self, folder, pixels_per_cm, size, words):
        for sample, resolution in zip(list_samples(folder, "train"), pixels_per_cm, strict=True):
            told = {"resolution": (resolution, 40_000), "resolutionunit": "CENTIMETER"} if resolution else {}
            tifffile.imwrite(sample.image, tifffile.imread(sample.image), **told)
        found = fingerprint_of(folder)
        assert found.pixel_size_um == (None if size is None else pytest.approx(size))
        assert dict(describe_fingerprint(found))["pixel size"] == words


class TestWords:
    def test_rows_have_every_number_with_its_unit(self, unlike):
        found = fingerprint_of(unlike)
        low, high = (round(diameter) for diameter in found.diameter_range_px)
        first, last = (round(diameter) for diameter in found.diameter_by_image)
        assert describe_fingerprint(found) == [
            ("images", "2, 60 x 100 to 120 x 400 pixels (Y x X)"),
            ("cells", "32, none touches another"),
            (
                "cell diameter",
                f"{found.diameter_px:.0f} px, 10 to 90 % {low} to {high} px, median by image {first} to {last} px",
            ),
            ("foreground", f"{100 * found.foreground:.1f}% of the pixels"),
            ("grey values", f"{found.percentiles[1]:.5g} to {found.percentiles[3]:.5g} (P1 to P99)"),
            ("saturated", "0.00% of the pixels"),
            ("cells look", f"brighter than the background (median +{found.polarity:.1f} sigma)"),
            ("illumination", f"uneven by {100 * found.illumination:.1f}% of P99 - P1"),
            ("noise", f"sigma {100 * found.noise:.1f}% of P99 - P1"),
            ("pixel size", "unknown: the files do not state it"),
        ]

    @pytest.mark.parametrize(
        ("contrast", "words"), [(-200, "darker than the background (median -"), (0, "partly brighter, partly darker")]
    )
    def test_of_polarity(self, tmp_path, contrast, words):
        write(tmp_path, "a", discs(20, 6), contrast=contrast)
        assert dict(describe_fingerprint(fingerprint_of(tmp_path)))["cells look"].startswith(words)

    def test_one_image_has_one_size_and_one_median(self, tmp_path):
        rows = dict(describe_fingerprint(fingerprint_of(write_folder(tmp_path, train=1))))
        assert rows["images"] == "1, 96 x 112 pixels (Y x X)"
        assert "by image" not in rows["cell diameter"]


class TestAnnotatedInPart:
    """Of three images, two have annotated squares of 60 px."""

    @pytest.fixture
    def found(self, tmp_path):
        for number in range(3):
            label = discs(12, 30)
            write(tmp_path, f"a_{number}", label)
            if number < 2:
                ignored = np.ones(label.shape, np.uint8)
                ignored[20:80, 100:160] = 0
                (tmp_path / "train/ignore").mkdir(exist_ok=True)
                tifffile.imwrite(tmp_path / f"train/ignore/a_{number}.tif", ignored)
        return fingerprint_of(tmp_path)

    def test_is_measured(self, found):
        assert found.annotated == pytest.approx((48_000 + 2 * 3600) / (3 * 48_000))
        assert found.longest_px == 400
        assert found.sizes == ((120, 400), (120, 400))
        assert [one.extent for one in found.by_image] == [(60, 60), (60, 60), (120, 400)]

    def test_is_in_words(self, found):
        rows = dict(describe_fingerprint(found))
        assert rows["annotated"] == "38.3% of the pixels, as much as 136 x 136 of each image; 1 of 3 images in full"
        assert rows["foreground"].endswith(" of the annotated pixels")

    def test_images_in_full_have_no_such_row(self, tmp_path):
        write(tmp_path, "a", discs(12, 30))
        found = fingerprint_of(tmp_path)
        assert found.longest_px is None
        assert "annotated" not in dict(describe_fingerprint(found))

    def test_another_value_of_the_label_is_measured_anew(self, tmp_path):
        write(tmp_path, "a", discs(12, 30))
        (sample,) = list_samples(tmp_path, "train")
        with cached_reads():
            counts = [measure_fingerprint([replace(sample, unlabelled_value=value)]).cells for value in (None, 3)]
        assert counts == [30, 29]

    def test_cells_that_are_cut_give_no_size_where_others_are_whole(self, tmp_path):
        for number in range(2):
            write(tmp_path, f"a_{number}", discs(20, 30))
        ignored = np.ones((120, 400), np.uint8)
        ignored[:, :8] = 0  # only slivers
        (tmp_path / "train/ignore").mkdir()
        tifffile.imwrite(tmp_path / "train/ignore/a_0.tif", ignored)
        found = fingerprint_of(tmp_path)
        assert found.by_image[0].is_cut
        assert found.by_image[0].diameters[-1] < 15
        assert found.diameter_by_image == pytest.approx((0, 20), abs=1)
        assert found.diameter_range_px[0] > 19
        tifffile.imwrite(tmp_path / "train/ignore/a_1.tif", ignored)
        assert 0 < fingerprint_of(tmp_path).diameter_px < 15
