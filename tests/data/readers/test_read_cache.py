"""Decoded planes and measurements that one run shares."""

import os
from pathlib import Path

import numpy as np
import pytest

from livecell_monai.data.dataset.findings import inspect_sample
from livecell_monai.data.readers import kinds
from livecell_monai.data.readers.kinds import read_image, read_label
from livecell_monai.data.readers.read_cache import cached_reads, measure_once, recent_reads
from livecell_monai.plan import measure_fingerprint
from livecell_monai.sample import Region, Sample
from tests.support.worlds import some_cells, write_sample


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded, in order."""
    paths, read = [], kinds.read_single

    def note(path, is_label):
        paths.append(path.name)
        return read(path, is_label)

    monkeypatch.setattr(kinds, "read_single", note)
    return paths


@pytest.fixture
def sample(tmp_path):
    write_sample(tmp_path, "a", some_cells())
    return Sample("a", tmp_path / "train/images/a.tif", tmp_path / "train/labels/a.tif")


class TestPlanes:
    def test_outside_of_a_block_each_read_decodes(self, decoded, sample):
        for _ in range(2):
            read_image(sample.image)
        assert decoded == ["a.tif"] * 2

    def test_inside_of_a_block_one_does(self, decoded, sample):
        with cached_reads():
            first, second = read_image(sample.image), read_image(sample.image)
            with cached_reads():
                read_image(sample.image)
        assert decoded == ["a.tif"]
        assert np.array_equal(first.pixels, second.pixels)
        read_image(sample.image)
        assert decoded == ["a.tif"] * 2

    def test_a_prediction_keeps_the_last_ones_only(self, decoded, sample, tmp_path):
        write_sample(tmp_path, "b", some_cells())
        other = tmp_path / "train/images/b.tif"
        with recent_reads(limit_bytes=read_image(sample.image).pixels.nbytes):
            for path in (sample.image, sample.image, other, other, sample.image):
                read_image(path)
        assert decoded == ["a.tif", "a.tif", "b.tif", "a.tif"]

    @pytest.mark.parametrize("turn", [0, 1])
    def test_a_caller_may_write_to_what_it_got(self, sample, turn):
        whole = read_label(sample.label)
        with cached_reads():
            got = [read_label(sample.label) for _ in range(2)]
            got[turn][:] = 0
            assert np.array_equal(read_label(sample.label), whole)

    def test_a_file_that_was_written_again_is_decoded_again(self, decoded, sample):
        with cached_reads():
            before = read_image(sample.image).pixels
            write_sample(sample.image.parents[2], "a", some_cells(), seed=5)
            os.utime(sample.image, ns=(1, 1))  # a change within the resolution of the clock
            assert not np.array_equal(read_image(sample.image).pixels, before)
        assert len(decoded) == 2

    def test_no_more_than_the_limit_is_kept_and_what_came_first_stays(self, decoded, sample):
        size = read_image(sample.image).pixels.nbytes
        decoded.clear()
        other = sample.image.with_name("b.tif")
        other.write_bytes(sample.image.read_bytes())
        with cached_reads(limit_bytes=size):
            for path in (sample.image, other, sample.image, other):
                read_image(path)
        assert decoded == ["a.tif", "b.tif", "b.tif"]


class TestMeasurements:
    def test_are_made_once_for_each_key(self, sample):
        made = []

        def measure():
            made.append(None)
            return len(made)

        assert [measure_once("size", [sample.image], measure) for _ in range(2)] == [1, 2]
        with cached_reads():
            assert [measure_once(key, [sample.image], measure) for key in ("size", "size", "other")] == [3, 3, 4]
            sample.image.write_bytes(sample.image.read_bytes() + b" ")
            assert measure_once("size", [sample.image], measure) == 5

    def test_of_files_that_are_not_there_are_made_each_time(self):
        made = iter(range(2))
        with cached_reads():
            assert [measure_once("size", [Path("nowhere.tif")], lambda: next(made)) for _ in range(2)] == [0, 1]

    def test_samples_that_differ_are_measured_apart(self, sample):
        """Region, role and name of a sample change what is found in the same files."""
        part = Sample("b", sample.image, sample.label, region=Region(0, 0, 60, 112))
        empty = Sample("c", sample.image)
        alone = [measure_fingerprint([one]).by_image for one in (sample, part)]
        looks = [inspect_sample(one, role) for one in (sample, part, empty) for role in ("train", "test")]
        assert alone[0] != alone[1]
        with cached_reads():
            for _ in range(2):
                assert [measure_fingerprint([one]).by_image for one in (sample, part)] == alone
                assert [inspect_sample(one, role) for one in (sample, part, empty) for role in ("train", "test")] == looks
