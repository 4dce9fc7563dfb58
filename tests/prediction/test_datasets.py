"""Images of which one may fail, and the report's leaking validation."""

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, ThreadDataLoader
from monai.transforms import Compose, LoadImaged, RandSpatialCropd

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.items import list_prediction_items, to_items
from livecell_monai.data.dataset.split import split_samples
from livecell_monai.data.readers import close_last
from livecell_monai.errors import DataError
from livecell_monai.prediction.datasets import ReadableDataset, build_validation_dataset
from livecell_monai.transforms import PlaneReader, ResizeToScaled
from tests.support.stack_files import SIZE_UM, write_ome_tiff
from tests.support.worlds import picture_of, some_cells, write_folder


def load(*keys):
    return [
        *(LoadImaged([key], reader=PlaneReader(key), ensure_channel_first=True) for key in keys),
        ResizeToScaled(keys, 1.0),
    ]


PLAIN = Compose(load("image"))


class TestReadableDataset:
    @pytest.fixture
    def images(self, folder):
        path = folder / "test" / "images" / "test_01.tif"
        path.write_bytes(path.read_bytes()[:1000])
        (folder / "test" / "images" / "test_02.tif").write_bytes((folder / "test" / "images" / "test_00.tif").read_bytes())
        return folder / "test" / "images"

    @pytest.mark.parametrize("load_by", [iter, lambda data: ThreadDataLoader(data, batch_size=1, num_workers=0)])
    def test_a_truncated_image_is_noted_and_the_others_come(self, images, load_by):
        data = ReadableDataset(list_prediction_items(images), PLAIN)
        assert data.failures == {}
        assert [list(item["name"])[-1][-1] for item in load_by(data)] == ["0", "2"]
        (failure,) = data.failures.items()
        assert failure[0] == images / "test_01.tif"
        assert "test_01.tif: cannot be read as TIFF (the file is cut off" in failure[1]
        assert "\n" not in failure[1]

    def test_a_frame_that_cannot_be_read_ends_its_movie_and_no_other(self):
        def read(item):
            if item["image"] == "a.tif::t=1,c=0,z=0":
                raise DataError("a.tif (T 1): torn")
            return item["image"]

        movies = [
            {"name": name, "image": f"{name}.tif::t={frame},c=0,z=0", "frame": frame, "position": frame, "frames": 3}
            for name in "ab"
            for frame in range(3)
        ]
        data = ReadableDataset([*movies, {"name": "c", "image": "c.tif"}], read)
        expected = ["a.tif::t=0,c=0,z=0", *(f"b.tif::t={frame},c=0,z=0" for frame in range(3)), "c.tif"]
        assert list(data) == expected
        assert {str(path): words for path, words in data.failures.items()} == {"a.tif": "a.tif (T 1): torn"}

    def test_a_movie_without_a_frame_that_can_be_read_says_so(self, tmp_path):
        path = write_ome_tiff(tmp_path / "movie.ome.tif", np.zeros((3, 64, 64), np.uint16), "TYX")
        data = ReadableDataset(list_prediction_items(path), PLAIN)
        assert [sample["position"] for sample in data] == [0, 1]
        close_last()
        (failure,) = data.failures.values()
        assert "must not be constant, got 0 in every pixel" in failure
        assert failure.endswith("(no other frame can be read either)")

    @pytest.mark.parametrize("dark", [(0,), (2,), (1, 2), (0, 1)], ids=str)
    def test_a_frame_that_cannot_be_read_comes_without_pixels_and_with_its_problem(self, tmp_path, dark):
        pictures = np.stack([picture_of(some_cells(seed=seed), seed) for seed in range(3)])
        pictures[list(dark)] = 0
        path = write_ome_tiff(tmp_path / "movie.ome.tif", pictures, "TYX")
        data = ReadableDataset(list_prediction_items(path), PLAIN)
        samples = list(ThreadDataLoader(data, batch_size=1, num_workers=0))
        close_last()
        assert data.failures == {}
        assert [int(sample["position"]) for sample in samples] == [0, 1, 2]
        assert [sample["grid"].tolist() for sample in samples] == [[list(pictures.shape[1:])]] * 3
        problems = [sample.get("problem") for sample in samples]
        assert [index for index, problem in enumerate(problems) if problem] == list(dark)
        assert all("must not be constant, got 0 in every pixel" in problems[index][0] for index in dark)
        sizes = [sample["image"].meta["pixel_size_um"].flatten().tolist() for sample in samples]
        assert sizes == [list(SIZE_UM)] * 3

    def test_a_movie_without_a_frame_that_can_be_read_fails(self, tmp_path):
        path = write_ome_tiff(tmp_path / "movie.ome.tif", np.zeros((3, 20, 30), np.uint16), "TYX")
        data = ReadableDataset([*list_prediction_items(path)], PLAIN)
        assert [int(sample["position"]) for sample in data] == [0, 1]  # without the last frame nothing is written
        close_last()
        ((failed, line),) = data.failures.items()
        assert failed == path
        assert "must not be constant" in line

    def test_the_item_itself_stays_as_it_was(self, folder):
        items = list_prediction_items(folder / "test" / "images")
        before = [dict(item) for item in items]
        list(ReadableDataset(items, PLAIN))
        assert items == before

    def test_a_fault_of_ours_is_not_swallowed(self):
        def fail(item):
            raise ZeroDivisionError("a fault of ours")

        with pytest.raises(ZeroDivisionError, match="a fault of ours"):
            list(ReadableDataset([{"name": "a", "image": "a.tif"}], fail))

    def test_a_user_error_behind_another_is_found(self):
        def fail(item):
            try:
                raise DataError("a.tif: torn")
            except DataError as error:
                raise RuntimeError("applying transform") from error

        data = ReadableDataset([{"name": "a", "image": "a.tif"}], fail)
        assert list(data) == []
        assert list(data.failures.values()) == ["a.tif: torn"]


class TestBuildValidationDataset:
    def augmented(self, split, seed=0):
        torch.manual_seed(seed)  # which MONAI's loader seeds the transforms by
        crop = RandSpatialCropd(["image", "label"], (32, 48), random_size=False)
        return DataLoader(Dataset(to_items(split.train), Compose([*load("image", "label"), crop])), batch_size=2)

    def split(self, tmp_path, mode):
        return split_samples(list_samples(write_folder(tmp_path / "data"), "train"), mode)

    def draw(self, split, samples_per_epoch=40, seed=0):
        augmented = self.augmented(split, seed)
        data = build_validation_dataset(split, Compose(load("image", "label")), augmented, samples_per_epoch)
        return [data[index] for index in range(len(data))]

    @pytest.mark.parametrize(("mode", "count"), [("region", 3), ("images", 1)])
    def test_held_out_samples_come_once_each_and_unaugmented(self, tmp_path, mode, count):
        samples = self.draw(self.split(tmp_path, mode))
        assert len(samples) == count
        assert {tuple(sample["image"].shape) for sample in samples} == {(1, 96, 112)}

    @pytest.mark.parametrize(("samples_per_epoch", "count"), [(40, 6), (1773, 266), (1, 1)])
    def test_the_reports_split_draws_15_percent_of_an_epoch(self, tmp_path, samples_per_epoch, count):
        samples = self.draw(self.split(tmp_path, "original"), samples_per_epoch)
        assert len(samples) == count
        assert {tuple(sample["image"].shape) for sample in samples} == {(1, 32, 48)}

    def test_there_may_be_a_limit_to_the_draws(self, tmp_path):
        split = self.split(tmp_path, "original")
        assert len(build_validation_dataset(split, PLAIN, self.augmented(split), 1773, most=5)) == 5

    def test_draws_differ_from_each_other_and_are_drawn_once(self, tmp_path):
        split = self.split(tmp_path, "original")
        data = build_validation_dataset(split, PLAIN, self.augmented(split), 40)
        crops = {data[index]["image"].numpy().tobytes() for index in range(len(data))}
        assert len(crops) == len(data)
        assert torch.equal(data[0]["image"], data[0]["image"])

    def test_the_same_seed_gives_the_same_draws_and_another_gives_others(self, tmp_path):
        split = self.split(tmp_path, "original")
        first, again, other = (self.draw(split, seed=seed) for seed in (3, 3, 4))
        for key in ("image", "label"):
            assert all(torch.equal(one[key], two[key]) for one, two in zip(first, again, strict=True))
        assert not all(torch.equal(one["image"], two["image"]) for one, two in zip(first, other, strict=True))

    def test_the_grid_of_a_draw_is_its_own(self, tmp_path):
        for sample in self.draw(self.split(tmp_path, "original")):
            assert sample["grid"].tolist() == [32, 48]
            assert isinstance(sample["image"], MetaTensor)
