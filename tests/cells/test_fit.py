"""The decoding of one image, by the size of its cells."""

from dataclasses import replace

import numpy as np
import pytest

from livecell_monai.cells import fit
from livecell_monai.cells.decode import Decoding, decode
from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.cells.distance import normalise_distance
from livecell_monai.cells.fit import fit_decoding, weigh_median
from livecell_monai.cells.height import quantise
from livecell_monai.sample import Region
from tests.support.cell_worlds import discs

LARGE = discs((200, 320), (60, 60, 40), (60, 150, 40), (150, 100, 42), (140, 240, 44))
TRAINED = Decoding(seed_depth=1.0, cell_diameter=44.0, min_area=20)


def learned(label):
    """A mask and a quantised distance map of a label, as a short training leaves it: low at the rim of a nucleus."""
    distance = normalise_distance(label)
    distance[:, 54:66] *= 0.3
    return label > 0, quantise(distance)


def fitted(decoding, mask, distance):
    return fit_decoding(decoding, mask.shape, lambda part: part.crop(mask), lambda part: part.crop(distance))


def test_cells_larger_than_those_of_the_training_are_split_less():
    mask, distance = learned(LARGE)
    decoding = fitted(TRAINED, mask, distance)
    assert decoding == replace(TRAINED, own_diameter=decoding.own_diameter)
    assert 60 < decoding.own_diameter < 88
    split, own = decode(mask, distance, TRAINED).max(), decode(mask, distance, decoding).max()
    assert (split, own) == (5, 4)
    by_decoder = CellDecoder(("foreground", "distance"), True, 1.0, 44.0, 0.5, 20)(mask, {"distance": distance / 255})
    assert by_decoder.max() == own


@pytest.mark.parametrize("diameter", [70.0, 84.0, 95.0])
def test_similar_cells_are_decoded_as_in_training(diameter):
    trained = Decoding(seed_depth=3.0, cell_diameter=diameter)
    assert fitted(trained, *learned(LARGE)) is trained


@pytest.mark.parametrize(("diameter", "own"), [(8.0, 16.0), (200.0, 100.0)])
def test_the_decoding_follows_to_a_limit(diameter, own):
    mask, distance = learned(LARGE)
    assert fitted(Decoding(seed_depth=6.0, cell_diameter=diameter), mask, distance).own_diameter == own


def test_cells_that_the_border_cuts_count_if_there_are_no_others():
    mask, distance = learned(LARGE)
    whole = fitted(TRAINED, mask, distance).own_diameter
    cut = np.s_[:, 60:]  # half of the first cell
    assert fitted(TRAINED, mask[cut], distance[cut]).own_diameter == pytest.approx(whole, rel=0.05)
    alone = np.s_[20:100, 60:110]
    smaller = replace(TRAINED, cell_diameter=32.0)
    assert 55 < fitted(smaller, mask[alone], distance[alone]).own_diameter < 60


def test_nothing_is_fitted_without_a_cell():
    nothing = np.zeros((40, 50), np.uint8)
    assert fitted(TRAINED, nothing > 0, nothing) is TRAINED


def test_a_large_image_is_measured_in_its_middle(monkeypatch):
    monkeypatch.setattr(fit, "MIDDLE", 100)
    mask, distance = learned(LARGE)
    read = []

    def crop(part):
        read.append(part)
        return part.crop(mask)

    decoding = fit_decoding(TRAINED, mask.shape, crop, lambda part: part.crop(distance))
    assert read == [Region(50, 110, 150, 210)]
    middle = read[0].crop(mask), read[0].crop(distance)
    assert decoding == fitted(TRAINED, *middle)


@pytest.mark.parametrize(("diameters", "median"), [((), 0.0), ((7.0,), 7.0), ((10.0, 10.0, 10.0), 10.0)])
def test_median_of_few(diameters, median):
    assert weigh_median(diameters) == median


def test_fragments_hardly_move_the_median():
    whole = [40.0] * 10
    assert np.median([*whole, *[5.0] * 12]) == 5.0
    assert weigh_median([*whole, *[5.0] * 12]) == pytest.approx(40.0, abs=1.0)
