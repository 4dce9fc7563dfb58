"""What the bundle's own train.yaml makes of images: no pixel of validation, planes that stay together, one resampling."""

import shutil
from typing import ClassVar

import numpy as np
import pytest
import tifffile
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from monai.utils import set_determinism
from scipy import ndimage

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from tests.support.worlds import some_cells, write_folder, write_sample

KEYS = ("image", "target", "weight")
STEPS = ConfigParser.load_config_file(str(find_template() / "configs" / "train.yaml"))["train"]["random"]
EVERY_STEP = [
    pytest.param(index, id=f"{index}-{step['_target_']}") for index, step in enumerate(STEPS) if "Rand" in step["_target_"]
]
SHARED_STEPS = [param for param in EVERY_STEP if not isinstance(STEPS[param.values[0]]["keys"], str)]

SMALL = {
    "accelerator": "cpu-fp32",
    "filters": [4, 8],
    "window": [32, 32],
    "patch_size": [48, 40],
    "samples_per_epoch": 48,
    "batch_size": 8,
    "track": False,
    "guard": 6,
    "scale": 1.0,
    # grey values stay in [0, 1], so that a planted one is told by its value
    "normalise": False,
    "change_probability": 1.0,
    "brightness": 0.1,
    **dict.fromkeys(("illumination", "shading", "blur", "noise"), 0.0),
}
BOTH_WAYS = pytest.mark.parametrize("way", ["patches", "transforms"])


@pytest.fixture(autouse=True)
def _chance_is_given_back():
    yield
    set_determinism(None)


def open_training(root, **settings):
    """The bundle's parser, with the seed set as `initialize` sets it; without obstacles, which hide what is compared."""
    paths = {"dataset_dir": str(root), "output_dir": str(root.parent / "trained")}
    settings = {**SMALL, "obstacles": 0.0, **settings}
    workflow = open_bundle(find_template(), ["inference", "train"], settings, paths, workflow_type="train")
    workflow.workflow.parser.parse(True)
    workflow.workflow.parser.get_parsed_content("determinism")
    return workflow.workflow.parser


def epoch_of(parser):
    """Every sample of one epoch: a dictionary of (1, Y, X) by key."""
    batches = list(parser.get_parsed_content("train#dataloader"))
    samples = [{key: batch[key][i] for key in KEYS if key in batch} for batch in batches for i in range(len(batch["image"]))]
    return [{key: torch.as_tensor(plane) for key, plane in sample.items()} for sample in samples]


class TestLeak:
    """A value planted in what training must not see, searched in all that it sees.

    The files are written anew once the split is known, so that the plant fills everything but the training regions. The
    patch is so large that every draw reaches the rim of its region.
    """

    PATCH: ClassVar = [64, 80]
    FILES: ClassVar = {"image": "image", "target": "label", "weight": "border"}
    LOUD: ClassVar = {"image": 65_535, "target": 1, "weight": 1e6}
    QUIET: ClassVar = {"image": 10_000, "target": 0, "weight": 1}

    def plant(self, split, trespass=0):
        """Fill the images with the quiet values inside of the training regions, made smaller by `trespass` pixels.

        The quiet image is a ramp that starts at 0. Scaled to [0, 1] by the loud value it ends at 0.16, and after contrast,
        brightness and shift below 0.3, where the loud value stays above 0.7.
        """
        regions = {sample.name: sample.region for sample in split.train}
        for sample in {sample.name: sample for sample in (*split.train, *split.validation)}.values():
            shape = tifffile.imread(sample.image).shape
            seen = np.zeros(shape, bool)
            if sample.name in regions:
                region = regions[sample.name]
                seen[region.top + trespass : region.bottom - trespass, region.left + trespass : region.right - trespass] = (
                    True
                )
            for key in KEYS:
                plane = np.where(seen, self.QUIET[key], self.LOUD[key])
                if key == "image":
                    plane = np.where(seen, np.linspace(0, self.QUIET[key], shape[1])[None], plane)
                kind = {"image": np.uint16, "target": np.uint8, "weight": np.float32}[key]
                tifffile.imwrite(getattr(sample, self.FILES[key]), plane.astype(kind))

    def traces(self, samples):
        """The keys under which the planted value is found."""
        loud = {"image": 0.5, "target": 0.5, "weight": 1.5}
        return {key for key in KEYS if any(float(sample[key].max()) > loud[key] for sample in samples)}

    @BOTH_WAYS
    def test_region(self, bordered, way):
        parser = open_training(bordered, patch_size=self.PATCH, split="region", augmentation=way)
        split = parser.get_parsed_content("partition")
        self.plant(split)
        samples = epoch_of(parser)
        assert len(samples) == 48
        assert self.traces(samples) == set()
        # the other side sees nothing else
        held = [parser.get_parsed_content("validate#dataset")[index] for index in range(3)]
        assert all(sample["image"].min() == 1 and sample["label"].min() == 1 for sample in held)

    @BOTH_WAYS
    def test_one_trespassing_pixel_would_be_found(self, bordered, way):
        parser = open_training(bordered, patch_size=self.PATCH, split="region", augmentation=way)
        self.plant(parser.get_parsed_content("partition"), trespass=1)
        assert self.traces(epoch_of(parser)) == set(KEYS)

    def test_at_another_working_size(self, bordered):
        """Resizing mixes neighbouring pixels: it must come after the crop."""
        parser = open_training(bordered, patch_size=self.PATCH, split="region", scale=0.7, guard=0)
        self.plant(parser.get_parsed_content("partition"))
        assert self.traces(epoch_of(parser)) == set()

    def test_original_leaks(self, bordered):
        split = open_training(bordered, patch_size=self.PATCH, split="region").get_parsed_content("partition")
        self.plant(split)
        assert self.traces(epoch_of(open_training(bordered, patch_size=self.PATCH, split="original"))) == set(KEYS)

    @pytest.mark.parametrize("mode", ["images", "original"])
    def test_images(self, tmp_path, mode):
        """Whole images are held out; an image is scaled by its own values, so label and border tell alone."""
        root = write_folder(tmp_path / "data", train=6, borders=True)
        parser = open_training(root, patch_size=self.PATCH, split="images", validation_fraction=0.5)
        split = parser.get_parsed_content("partition")
        for sample in split.train:
            tifffile.imwrite(sample.label, np.zeros((96, 112), np.uint8))
        for sample in split.validation:
            tifffile.imwrite(sample.label, np.eye(96, 112, dtype=np.uint8))
            tifffile.imwrite(sample.border, np.full((96, 112), 1e6, np.float32))
        if mode == "original":
            for sample in split.train:  # a training label must have both classes
                tifffile.imwrite(sample.label, some_cells())
            parser = open_training(root, patch_size=self.PATCH, split="original")
            assert max(float(sample["weight"].max()) for sample in epoch_of(parser)) > 1e5
            return
        samples = epoch_of(parser)
        assert max(float(sample["target"].max()) for sample in samples) == 0
        assert max(float(sample["weight"].max()) for sample in samples) < 10


def twins(root):
    """A data folder whose image, label and border show the same cells, one by grey value, one by class, one by weight."""
    for seed in range(3):
        label = some_cells(seed=seed)
        image = np.where(label > 0, 60_000, 9_000).astype(np.uint16)
        write_sample(root, f"train_{seed}", label, image=image, border=1 + (label > 0).astype(np.float32))
    return root


def prepare(parser):
    """The samples before anything random."""
    steps = [*parser.get_parsed_content("preprocessing").transforms, *parser.get_parsed_content("train#fitting")]
    return [Compose(steps)(item) for item in parser.get_parsed_content("train#items")]


def planes_agree(sample, reach=1):
    """Whether image, label and border show the same cells, up to `reach` pixels along edges; None without an edge."""
    image, label, border = (np.asarray(sample[key])[0] for key in KEYS)
    if not image.shape == label.shape == border.shape:
        return False
    if label.min() == label.max() or np.ptp(image) < 0.2:
        return None
    cells = label > 0.5
    square = np.ones((2 * reach + 1, 2 * reach + 1))
    near_edge = ndimage.binary_dilation(cells, square) & ~ndimage.binary_erosion(cells, square)
    inside = (slice(reach, -reach),) * 2  # a cell may begin just beyond the rim
    masks = (image > (image.min() + image.max()) / 2, border > 1.5)
    return all(not np.any(((mask != cells) & ~near_edge)[inside]) for mask in masks)


class TestAlignment:
    def verdicts(self, parser, index, keys=None):
        step = parser.get_parsed_content("train#random")[index]
        if keys:
            step.keys = keys
        samples = prepare(parser)
        assert all(planes_agree(sample) for sample in samples)
        return [planes_agree(step.set_random_state(seed=seed)({**samples[seed % len(samples)]})) for seed in range(12)]

    @pytest.mark.parametrize("index", EVERY_STEP)
    def test_each_step(self, tmp_path, index):
        verdicts = self.verdicts(open_training(twins(tmp_path / "data"), flip_probability=1.0), index)
        assert False not in verdicts
        assert verdicts.count(True) >= 10

    @pytest.mark.parametrize("index", SHARED_STEPS)
    def test_a_step_on_the_image_alone_would_be_noticed(self, tmp_path, index):
        parser = open_training(twins(tmp_path / "data"), flip_probability=1.0)
        assert False in self.verdicts(parser, index, keys=("image",))

    # a label that was resized ahead of the augmentation has been rounded to whole pixels twice
    @pytest.mark.parametrize(("settings", "reach"), [({}, 1), ({"patch_size": [128, 128]}, 1), ({"scale": 0.8}, 2)])
    @BOTH_WAYS
    def test_all_together(self, tmp_path, settings, reach, way):
        # one way rounds a label to whole pixels at each of its steps, the other once
        reach += way == "transforms"
        samples = epoch_of(open_training(twins(tmp_path / "data"), augmentation=way, **settings))
        verdicts = [planes_agree(sample, reach) for sample in samples]
        assert False not in verdicts
        assert verdicts.count(True) > 40

    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("reach", [1, 2])
    def test_a_shift_would_be_noticed(self, tmp_path, key, reach):
        (sample, *_) = epoch_of(open_training(twins(tmp_path / "data"), samples_per_epoch=8))
        assert planes_agree(sample, reach) is True
        for axis in (1, 2):
            assert planes_agree({**sample, key: torch.roll(sample[key], reach + 2, axis)}, reach) is False


class TestWork:
    def test_one_resampling_for_all_planes(self, bordered, monkeypatch):
        loader = open_training(bordered, flip_probability=1.0).get_parsed_content("train#patches")
        batches = iter(loader)
        next(batches)  # reads the files
        calls = []
        for name in ("grid_sample", "interpolate"):
            original = getattr(torch.nn.functional, name)

            def counted(*args, name=name, original=original, **kwargs):
                calls.append(name)
                return original(*args, **kwargs)

            monkeypatch.setattr(torch.nn.functional, name, counted)
        batch = next(batches)
        assert all(batch[key].shape == (8, 1, 48, 40) for key in KEYS)
        assert set(calls) == {"grid_sample"}
        assert len(calls) <= 3  # one for each image that patches come from

    @BOTH_WAYS
    def test_files_are_read_once(self, bordered, way):
        parser = open_training(bordered, augmentation=way)
        epoch_of(parser)
        shutil.rmtree(bordered)
        assert len(epoch_of(parser)) == 48

    def test_what_is_kept_is_not_changed(self, bordered):
        parser = open_training(bordered)
        loader = parser.get_parsed_content("train#patches")
        epoch_of(parser)
        before = [stack.clone() for stack in loader.stacks]
        epoch_of(parser)
        assert all(torch.equal(stack, old) for stack, old in zip(loader.stacks, before, strict=True))

    def test_the_reports_own_steps_are_all_there(self):
        names = [step["_target_"] for step in STEPS]
        assert {"RandRotated", "RandFlipd", "RandZoomd", "RandAdjustContrastd", "RandScaleIntensityd"} <= set(names)


class TestChance:
    def images(self, root, **settings):
        return torch.stack([sample["image"] for sample in epoch_of(open_training(root, **settings))])

    @BOTH_WAYS
    def test_a_seed_repeats_the_epoch(self, bordered, way):
        first, second, other = (self.images(bordered, seed=seed, augmentation=way) for seed in (3, 3, 4))
        assert torch.equal(first, second)
        assert not torch.equal(first, other)

    def test_no_two_draws_are_alike(self, bordered):
        parser = open_training(bordered)
        samples = [*epoch_of(parser), *epoch_of(parser)]  # two epochs
        assert len({sample["image"].numpy().tobytes() for sample in samples}) == len(samples) == 96


class TestSamples:
    @pytest.mark.parametrize("borders", [True, False])
    @pytest.mark.parametrize("patch", [[48, 40], [64, 128]])
    def test_are_what_the_network_takes(self, tmp_path, borders, patch):
        root = write_folder(tmp_path / "data", shape=(70, 90), borders=borders)
        samples = epoch_of(open_training(root, patch_size=patch))
        assert all(set(sample) == set(KEYS[: 2 + borders]) for sample in samples)
        for sample in samples:
            assert {tuple(plane.shape) for plane in sample.values()} == {(1, *patch)}
            assert {plane.dtype for plane in sample.values()} == {torch.float32}
            assert all(torch.isfinite(plane).all() for plane in sample.values())
            assert set(sample["target"].unique().tolist()) <= {0.0, 1.0}
            assert not borders or 0.999 <= sample["weight"].min() <= sample["weight"].max() <= 6
        both = [sample for sample in samples if len(sample["target"].unique()) == 2]
        assert len(both) > 40

    def test_borders_may_be_left_out(self, bordered):
        assert {tuple(sample) for sample in epoch_of(open_training(bordered, use_borders=False))} == {("image", "target")}

    def test_an_image_far_smaller_than_a_patch(self, tmp_path):
        root = write_folder(tmp_path / "data", shape=(24, 28))
        samples = epoch_of(open_training(root, patch_size=[64, 128], guard=1))
        assert {tuple(sample["image"].shape) for sample in samples} == {(1, 64, 128)}
