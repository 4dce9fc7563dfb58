"""The reader behind `LoadImaged`: axes as on disk, and refusals that reach the user."""

import nibabel
import numpy as np
import pytest
import tifffile
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from PIL import Image

from livecell_monai.data.readers import PlaneAddress
from livecell_monai.errors import DataError, find_user_error
from livecell_monai.transforms import PlaneReader
from tests.support.stack_files import HYPERSTACK, SIZE_UM, WRITERS
from tests.support.worlds import some_cells

RAMP = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9)  # (Y, X); no two pixels alike, no two axes alike


def load(path, kind="image", key="image"):
    """The file as the bundle loads it: (1, Y, X)."""
    steps = [LoadImaged(keys=key, reader=PlaneReader(kind=kind)), EnsureChannelFirstd(keys=key)]
    return Compose(steps)({key: str(path)})[key]


def write(path, pixels=RAMP):
    """Write (Y, X) in the format of the path's suffix."""
    match path.suffix:
        case ".tif":
            tifffile.imwrite(path, pixels, photometric="rgb" if pixels.shape[-1] == 3 else "minisblack")
        case ".nii" | ".gz":
            nibabel.save(nibabel.Nifti1Image(pixels.T, np.eye(4)), path)
        case _:
            Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.png", "a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", ["image", "label", "border"])
def test_every_format_gives_its_rows_as_rows(tmp_path, name, kind):
    loaded = load(write(tmp_path / name), kind)
    assert isinstance(loaded, MetaTensor)
    assert loaded.shape == (1, 6, 9)
    np.testing.assert_array_equal(loaded[0].numpy(), RAMP)


def test_monai_alone_would_swap_axes(tmp_path):
    path = write(tmp_path / "a.png")
    swapped = LoadImaged(keys="image", reader="PILReader")({"image": str(path)})["image"]
    assert swapped.shape == (9, 6)


@pytest.mark.parametrize("name", WRITERS)
def test_a_plane_of_a_stack_has_an_address(tmp_path, name):
    path = WRITERS[name](tmp_path / name)
    address = PlaneAddress(path, time=2, channel=1, z=3, axes="TZCYX" if name == "a.tif" else None)
    loaded = load(address)
    np.testing.assert_array_equal(loaded[0].numpy(), HYPERSTACK[2, 1, 3])
    assert list(loaded.meta["pixel_size_um"]) == pytest.approx(SIZE_UM)
    assert loaded.meta["filename_or_obj"] == str(address)


def test_a_label_has_no_address(tmp_path):
    path = WRITERS["a.ome.tif"](tmp_path / "a.ome.tif")
    with pytest.raises(Exception, match=r".") as caught:
        load(PlaneAddress(path), "label")
    assert "an image must be a file, this does not exist" in str(find_user_error(caught.value))


class TestMeta:
    def test_pixel_size(self, tmp_path):
        path = tmp_path / "a.ome.tif"
        size = {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"}
        tifffile.imwrite(path, RAMP, metadata={"axes": "YX", **size})
        assert list(load(path).meta["pixel_size_um"]) == [0.5, 0.25]

    @pytest.mark.parametrize("name", ["a.tif", "a.png"])
    def test_no_pixel_size(self, tmp_path, name):
        assert np.isnan(load(write(tmp_path / name)).meta["pixel_size_um"]).all()

    def test_size_of_the_whole_image(self, tmp_path):
        assert list(load(write(tmp_path / "a.tif")).meta["spatial_shape"]) == [6, 9]

    def test_path(self, tmp_path):
        path = write(tmp_path / "a.tif")
        assert load(path).meta["filename_or_obj"] == str(path)


class TestRefusals:
    """What cannot be read must not be read by another of MONAI's readers instead: `PILReader` would swap its axes."""

    @pytest.mark.parametrize("name", ["a.tif", "a.png", "a.nii", "a.nii.gz"])
    def test_broken_file(self, tmp_path, name):
        path = write(tmp_path / name)
        path.write_bytes(path.read_bytes()[:-20])
        self.refused(path, "image", "cannot be read as")

    @pytest.mark.parametrize(
        ("name", "pixels", "kind", "words"),
        [
            ("a.png", np.stack([RAMP, RAMP, RAMP + 1], -1), "image", "RGB"),
            ("a.tif", np.stack([RAMP, RAMP, RAMP + 1], -1), "image", "RGB"),
            ("a.tif", np.stack([RAMP] * 4), "image", "one grey plane"),
            ("a.png", np.full((6, 9), 3, np.uint8), "image", "must not be constant"),
            ("a.tif", RAMP / np.float32(3), "label", "a label must hold integers, got 0.333333 at row 0, column 1"),
            ("a.tif", RAMP.astype(np.int16) - 9, "label", "a label must be >= 0"),
            ("a.tif", RAMP - np.float32(9), "border", "a border weight must be >= 0"),
        ],
    )
    def test_each_kind_has_its_rules(self, tmp_path, name, pixels, kind, words):
        self.refused(write(tmp_path / name, pixels), kind, words)

    def test_what_one_kind_refuses_another_may_take(self, tmp_path):
        path = write(tmp_path / "a.tif", RAMP / np.float32(3))
        self.refused(path, "label", "integers")
        assert load(path, "image").shape == (1, 6, 9)

    def test_no_file(self, tmp_path):
        self.refused(tmp_path / "gone.tif", "image", "does not exist")

    def refused(self, path, kind, words):
        with pytest.raises(Exception, match=r".") as caught:  # MONAI's wrapping is not ours to fix
            load(path, kind)
        error = find_user_error(caught.value)
        assert isinstance(error, DataError)
        assert str(error).startswith(f"{path}: ")
        assert words in str(error)
        assert "\n" not in str(error)

    def test_unknown_kind(self, tmp_path):
        with pytest.raises(KeyError, match="mask"):
            PlaneReader("mask").get_data(write(tmp_path / "a.tif"))


@pytest.mark.parametrize(
    ("name", "known"),
    [("a.tif", True), ("a.NII.GZ", True), ("a.nd2::t=0,c=1,z=2", True), ("a.csv", False), ("._a.tif", False)],
)
def test_suffixes(name, known):
    assert PlaneReader().verify_suffix(name) is known
    assert PlaneReader().verify_suffix([name]) is known


@pytest.mark.parametrize(("first", "dtype"), [(2**24, "int32"), (2**40, "int64"), (2**63, "uint64"), (10**12, "float64")])
def test_ids_of_any_size_stay_apart(tmp_path, first, dtype):
    """MONAI holds labels as float32, in which 2 ** 24 and 2 ** 24 + 1 are equal."""
    cells, path = some_cells(), tmp_path / "label.tif"
    ids = cells.astype(dtype) + np.array(first, dtype)
    tifffile.imwrite(path, np.where(cells > 0, ids, np.array(0, dtype)))
    found = np.unique(load(path, "label")[0], return_inverse=True)[1]
    np.testing.assert_array_equal(found.reshape(cells.shape), cells)


class TestNotAnnotated:
    def load(self, paths, **options):
        return LoadImaged(keys="label", reader=PlaneReader(kind="label", **options))({"label": paths})["label"]

    def test_a_label_with_its_ignore_file(self, tmp_path):
        label, ignore = tmp_path / "a.tif", tmp_path / "i.png"
        ids, ignored = some_cells(), np.zeros(some_cells().shape, np.uint8)
        ignored[:, 50:] = 255
        tifffile.imwrite(label, ids)
        Image.fromarray(ignored).save(ignore)
        found = self.load([str(label), str(ignore)])
        assert found.numpy().tolist() == np.where(ignored > 0, -1.0, ids).tolist()
        assert found.meta["filename_or_obj"] == str(label)
        assert self.load(str(label)).numpy().tolist() == ids.tolist()

    def test_a_value_of_the_label(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", np.where(some_cells() == 3, 255, some_cells()))
        found = self.load(str(tmp_path / "a.tif"), unlabelled_value=255).numpy()
        assert found.tolist() == np.where(some_cells() == 3, -1.0, some_cells()).tolist()
