from itertools import islice

import numpy as np
import pytest

from livecell_monai.data.stream.fields import FIELD_SIDE, draw_stream_field, iterate_fields
from livecell_monai.data.stream.ranges import DOMAINS


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_gives_an_image_and_its_cells(domain: str) -> None:
    fields = [draw_stream_field(0, index, {domain: 1.0}) for index in range(3)]
    for field in fields:
        assert field.domain == domain
        assert field.image.shape == field.label.shape == (FIELD_SIDE, FIELD_SIDE)
        assert field.image.dtype in (np.uint8, np.uint16)
        assert field.label.dtype == np.uint16
        assert np.ptp(field.image.astype(int)) > 10
        ids = np.unique(field.label)
        assert ids[ids > 0].tolist() == list(range(1, int(field.label.max()) + 1))
    assert any(field.label.any() for field in fields)


def test_seed_and_index_fix_the_pixels_whoever_draws_them() -> None:
    own = list(islice(iterate_fields(3, first=4), 3))
    others = [list(islice(iterate_fields(3, first=4 + worker, step=2), 2)) for worker in range(2)]
    for field, same in zip(own, (others[0][0], others[1][0], others[0][1]), strict=True):
        assert np.array_equal(field.image, same.image)
        assert np.array_equal(field.label, same.label)
    assert not np.array_equal(own[0].image, own[1].image)
    assert not np.array_equal(own[0].image, draw_stream_field(4, 4).image)


def test_domains_that_are_left_out_do_not_occur() -> None:
    kept = {"stain": 1.0, "fluorescent_nuclei": 1.0}
    assert {draw_stream_field(0, index, kept).domain for index in range(8)} == set(kept)
