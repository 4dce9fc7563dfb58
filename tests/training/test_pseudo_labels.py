"""Labels that a network makes for images without, and what keeps them from doing harm."""

import pytest
import tifffile
import torch
from ignite.engine import Engine, Events

from livecell_monai.errors import DataError, SettingError, find_user_error
from livecell_monai.network import Head, SegmentationLoss
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.tasks import train
from livecell_monai.training.batches import PatchLoader
from livecell_monai.training.budget import Budget
from livecell_monai.training.pseudo_labels import PseudoLabeller
from livecell_monai.transforms import Appearance, Warp
from tests.support.small_training import CELL_MAPS, QUIET, SMALL
from tests.support.worlds import some_cells, write_folder

pytestmark = pytest.mark.usefixtures("without_figures")

#: argument -> end of the setting's name
NAMES = {"times": "schedule", "confidence": "confidence", "fraction": "fraction"}


def build_loader(maps=("foreground",), **options):
    sample = {"image": torch.zeros(1, 40, 48), "target": torch.zeros(len(maps), 40, 48)}
    loader = PatchLoader([sample], Warp((16, 16)), Appearance(), Head(maps), 8, 8, **options)
    loader.has_weights = True
    return loader


class Fixed(torch.nn.Module):
    """A network that gives these logits, whatever it sees."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, image):
        return self.logits.clone()


class Prepared:
    """A preprocessing that makes an image of one value of an item."""

    def __init__(self, shape):
        self.shape = shape

    def __call__(self, item):
        return {"image": torch.full(self.shape, float(item["image"]) + 1)}


INFERER = WindowInferer(Accelerator("cpu-fp32"), [64, 64], 1)


def build_labeller(loader, values, count=3, **options):
    """A labeller of `count` images of one value each, by a network that gives these logits from left to right.

    A second map has half of them.
    """
    logits = torch.tensor(values).repeat(1, 1, 32, 8)
    logits = torch.cat([logits / (1 + number) for number in range(len(loader.head))], dim=1)
    items = [{"image": number} for number in range(count)]
    segmenter = Segmenter(Fixed(logits), INFERER, Prepared((1, *logits.shape[2:])), loader.head, 0.5, torch.device("cpu"))
    return PseudoLabeller(items, segmenter, loader, Budget(0, 1), **{"times": [0.5], **options})


class TestLabel:
    def test_confident_pixels_have_weight_1(self):
        stack = build_labeller(build_loader(), [-9.0, -0.5, 0.5, 9.0]).label({"image": 1})
        assert stack.shape == (3, 32, 32)
        assert (stack[0] == 2).all()
        assert stack[1, 0, :4].tolist() == [0, 0, 1, 1]
        assert stack[2, 0, :4].tolist() == [1, 0, 0, 1]

    @pytest.mark.parametrize(("confidence", "sure"), [(0.5, 4), (0.7, 2), (0.999, 0)])
    def test_confidence_threshold(self, confidence, sure):
        stack = build_labeller(build_loader(), [-2.0, -0.5, 0.5, 2.0], confidence=confidence).label({"image": 1})
        assert stack[2, 0, :4].sum() == sure

    def test_a_map_that_is_not_binary_is_kept_in_steps(self):
        stack = build_labeller(build_loader(CELL_MAPS), [-9.0, -0.5, 0.5, 9.0]).label({"image": 1})
        assert stack.shape == (4, 32, 32)
        assert stack[1, 0, :4].tolist() == [0, 0, 1, 1]
        expected = torch.sigmoid(torch.tensor([-4.5, -0.25, 0.25, 4.5]))
        torch.testing.assert_close(stack[2, 0, :4], expected, atol=0.5 / 255, rtol=0)
        assert stack[3, 0, :4].tolist() == [1, 0, 0, 1]


class TestTimes:
    def run(self, labeller, iterations=8):
        """Stacks in use after each iteration."""
        seen = []
        engine = Engine(lambda *_: None)
        labeller.budget.attach(engine)
        labeller.attach(engine)
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: seen.append(list(labeller.loader.pseudo_labelled)))
        engine.run(range(iterations), max_epochs=1)
        return seen

    def test_labels_are_refreshed_on_schedule(self):
        seen = self.run(build_labeller(build_loader(), [9.0], times=[0.5, 0.75]))
        assert [len(stacks) for stacks in seen] == [0, 0, 0, 3, 3, 3, 3, 3]
        assert seen[3][0] is seen[4][0]
        assert seen[3][0] is not seen[5][0]

    def test_without_images_nothing_changes(self):
        assert self.run(build_labeller(build_loader(), [9.0], count=0))[-1] == []

    def test_a_part_of_many_images_is_drawn(self, monkeypatch):
        monkeypatch.setattr("livecell_monai.training.pseudo_labels.MOST_IMAGES", 2)
        seen = self.run(build_labeller(build_loader(), [9.0], count=9, times=[0.2, 0.4, 0.6, 0.8]))
        assert {len(stacks) for stacks in seen} == {0, 2}
        assert len({float(stack[0, 0, 0]) for stacks in seen for stack in stacks}) > 2


class TestPatches:
    @pytest.mark.parametrize("share", [0.25, 0.75])
    def test_fraction(self, share):
        loader = build_loader()
        labeller = build_labeller(loader, [9.0], fraction=share)
        next(iter(loader))
        loader.pseudo_labelled = [labeller.label(item) for item in labeller.items]
        loader.appearance = Appearance(0, 1, 0, 1, 0, 0, 0, 0)
        labelled = torch.cat([batch["image"][:, 0, 8, 8] for _ in range(100) for batch in loader]) > 0.5
        assert labelled.float().mean() == pytest.approx(share, abs=0.05)

    def test_unsure_pixels_do_not_change_the_loss(self):
        torch.manual_seed(0)
        logits, label = torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
        weight = torch.ones_like(label)
        weight[..., 4:] = 0
        loss = SegmentationLoss("dice_bce")
        changed = torch.where(weight > 0, logits, -3 * logits)
        first, second = (loss(guess, torch.cat([label, weight], dim=1)) for guess in (logits, changed))
        torch.testing.assert_close(first, second)
        assert not torch.isclose(loss(logits, label), loss(changed, label))


@pytest.mark.parametrize(
    ("name", "value"),
    [("times", []), ("times", [0.5, 0.2]), ("times", [1.0]), ("confidence", 0.4), ("confidence", 1.0), ("fraction", 0.0)],
)
def test_invalid_settings_are_rejected(name, value):
    with pytest.raises(SettingError, match=f"setting pseudo_label_{NAMES[name]} must be"):
        build_labeller(build_loader(), [9.0], **{name: value})


def find_error(data, tmp_path, unlabelled):
    with pytest.raises(RuntimeError, match="Failed to instantiate") as raised:  # by MONAI's parser
        train(data, tmp_path / "model", settings=SMALL, unlabelled=unlabelled)
    error = find_user_error(raised.value)
    assert isinstance(error, DataError)
    return str(error)


class TestTraining:
    @pytest.fixture
    def data(self, tmp_path):
        return write_folder(tmp_path / "data")

    def test_learns_from_images_without_labels(self, data, tmp_path):
        settings = {**SMALL, "samples_per_epoch": 32, "pseudo_label_confidence": 0.5, "keep_last_state": True}
        for name, unlabelled in (("without", []), ("with", [data / "test" / "images"])):
            result = train(data, tmp_path / name, settings=settings, unlabelled=unlabelled)
            assert result["unlabelled_images"] == len(list((data / "test" / "images").iterdir())) * bool(unlabelled)
        first, second = (
            torch.load(tmp_path / name / "models" / "last.pt", weights_only=True)["model"] for name in ("with", "without")
        )
        assert not all(torch.equal(value, second[name]) for name, value in first.items())
        assert "unlabelled_images" in (tmp_path / "with" / "docs" / "README.md").read_text()

    def test_annotated_images_are_rejected(self, data, tmp_path):
        refusal = find_error(data, tmp_path, [data / "train" / "images"])
        assert "must differ from the annotated ones, found none" in refusal
        assert not (tmp_path / "model").exists()

    def test_an_unreadable_image_is_rejected_before_training(self, data, tmp_path):
        bad = tmp_path / "more" / "bad.tif"
        bad.parent.mkdir()
        tifffile.imwrite(bad, some_cells())
        bad.write_bytes(bad.read_bytes()[:200])
        assert "bad.tif" in find_error(data, tmp_path, [bad.parent])
        assert not (tmp_path / "model").exists()

    def test_the_original_recipe_takes_none(self, data, tmp_path):
        with pytest.raises(SettingError, match="learns from labels alone"):
            train(data, tmp_path / "model", settings=QUIET, recipe="original", unlabelled=[data / "test" / "images"])


class TestResume:
    @pytest.mark.parametrize(("maps", "bits"), [(CELL_MAPS[:1], 2), (CELL_MAPS, 24)])
    def test_pseudo_labels_are_restored_bit_by_bit(self, maps, bits):
        first, second = (build_labeller(build_loader(maps), [-9.0, -0.5, 0.5, 9.0], times=[0.2, 0.5]) for _ in range(2))
        first.budget.done = 0.3
        first._refresh_when_due()
        second.load_state_dict(first.state_dict())
        assert second.remaining == [0.5]
        assert len(second.loader.pseudo_labelled) == 3
        for one, two in zip(first.loader.pseudo_labelled, second.loader.pseudo_labelled, strict=True):
            assert torch.equal(one, two)
        assert second.state_dict()["labels"][0][1].numel() == bits * 32 * 32 / 8

    def test_missing_images_are_left_out(self):
        first, second = (build_labeller(build_loader(), [9.0], count=count) for count in (3, 2))
        first.budget.done = 0.5
        first._refresh_when_due()
        second.load_state_dict(first.state_dict())
        assert len(second.loader.pseudo_labelled) == 2
