"""Batches of patches, the sampler, and what the engine takes out of a batch."""

import itertools

import pytest
import torch
from ignite import distributed as idist
from monai.data import MetaTensor
from torch.utils.data import RandomSampler

from livecell_monai.network import Head
from livecell_monai.network.heads import UNKNOWN
from livecell_monai.training.batches import PatchLoader, ResumableSampler, ToMasks, prepare_batch
from livecell_monai.transforms import Appearance, Obstacles, Warp
from tests.support.worlds import border_of, picture_of, some_cells

OFF = {"contrast": 1.0, "brightness": 0.0, "gamma": 1.0, "illumination": 0.0, "shading": 0.0, "blur": 0.0, "noise": 0.0}
PLAIN = Appearance(**OFF)
LOUD = Appearance(1.0, **{**OFF, "contrast": 1.5, "brightness": 1.0, "noise": 0.3})
WARP = Warp((24, 32))
HEAD = Head()


def sample_of(seed, shape=(96, 112), border=False, wrap=torch.Tensor):
    label = some_cells(shape, seed)
    planes = {"image": picture_of(label, seed) / 65_535, "target": label > 0}
    if border:
        planes["weight"] = border_of(label)
    return {key: wrap(torch.from_numpy(plane[None].astype("float32"))) for key, plane in planes.items()}


class Counted(list):
    """A data set that counts how often it is asked."""

    asked = 0

    def __getitem__(self, index):
        self.asked += 1
        return super().__getitem__(index)


def load(dataset, appearance=PLAIN, batch_size=4, samples_per_epoch=10, **settings):
    weighted = settings.pop("weighted", False)
    loader = PatchLoader(dataset, settings.pop("warp", WARP), appearance, HEAD, batch_size, samples_per_epoch, **settings)
    loader.has_weights = weighted
    return loader


def planes(loader):
    """All planes of an epoch (N, C, Y, X)."""
    return torch.cat([torch.cat(list(batch.values()), dim=1) for batch in loader])


class TestObstacles:
    def test_hide_cells_and_keep_their_weights(self):
        covered, plain = (planes(load([sample_of(0, border=True)], obstacles=Obstacles(share))) for share in (1.0, 0.0))
        assert covered[:, 1].sum() < 0.9 * plain[:, 1].sum()
        assert covered.shape == plain.shape
        assert covered[:, 2].min() >= 1

    def test_continue_from_a_checkpoint(self):
        loader = load([sample_of(0)], obstacles=Obstacles(0.5))
        planes(loader)
        state = loader.state_dict()
        expected = planes(loader)
        other = load([sample_of(0)], obstacles=Obstacles(0.5))
        other.load_state_dict(state)
        assert torch.equal(planes(other), expected)


class TestEpoch:
    @pytest.mark.parametrize(("samples", "batches"), [(1, 1), (4, 1), (5, 2), (8, 2), (1773, 444)])
    def test_number_of_batches(self, samples, batches):
        assert len(load([], samples_per_epoch=samples)) == batches

    def test_every_batch_is_full(self):
        batches = list(load([sample_of(0), sample_of(1, (40, 50))]))
        assert len(batches) == 3
        for batch in batches:
            assert {key: tuple(plane.shape) for key, plane in batch.items()} == dict.fromkeys(batch, (4, 1, 24, 32))
            assert {plane.dtype for plane in batch.values()} == {torch.float32}

    def test_all_patches_of_all_epochs_differ(self):
        loader = load([sample_of(0), sample_of(1)])
        patches = torch.cat([planes(loader), planes(loader)])
        assert len({patch.numpy().tobytes() for patch in patches}) == len(patches) == 24

    def test_all_samples_are_used(self):
        samples = [{key: torch.full((1, 30, 40), value) for key in ("image", "target")} for value in (0.0, 1.0)]
        assert set(planes(load(samples, samples_per_epoch=40))[:, 1].unique().tolist()) == {0.0, 1.0}


class TestStacks:
    def test_are_read_once_at_the_first_batch(self):
        data = Counted([sample_of(0), sample_of(1), sample_of(2)])
        loader = load(data)
        assert (len(loader), data.asked) == (3, 0)
        for _ in range(3):
            planes(loader)
        assert data.asked == 3

    def test_stacks_are_not_changed(self):
        loader = load([sample_of(0, border=True)], LOUD)
        next(iter(loader))
        before = [stack.clone() for stack in loader.stacks]
        planes(loader)
        assert all(torch.equal(one, two) for one, two in zip(before, loader.stacks, strict=True))
        assert loader.stacks[0].shape == (3, 96, 112)

    @pytest.mark.parametrize("wrap", [torch.Tensor, MetaTensor])
    def test_the_network_gets_plain_tensors(self, wrap):
        (batch, *_) = load([sample_of(0, border=True, wrap=wrap)])
        assert list(batch) == ["image", "target", "weight"]
        assert {type(plane) for plane in batch.values()} == {torch.Tensor}

    @pytest.mark.parametrize("kind", [torch.uint8, torch.bool, torch.float64])
    def test_labels_of_any_dtype(self, kind):
        plain = sample_of(0)
        other = {**plain, "target": plain["target"].to(kind)}
        assert torch.equal(planes(load([plain])), planes(load([other])))


class TestBatch:
    def test_planes_stay_aligned(self):
        """The image is made of the label and the border of the image: 0.5 in the image is the label's edge."""
        sample = sample_of(0)
        sample |= {"image": 3 * sample["target"] - 1, "weight": 1 + sample["target"]}
        image, label, border = planes(load([sample], samples_per_epoch=40)).unbind(1)
        assert torch.equal(label > 0, image >= 0.5)
        torch.testing.assert_close(image, 3 * border - 4, atol=1e-4, rtol=0)
        assert 0.05 < label.mean() < 0.6

    def test_labels_are_binary_and_weights_are_interpolated(self):
        _, label, border = planes(load([sample_of(0, border=True)], samples_per_epoch=40)).unbind(1)
        assert set(label.unique().tolist()) == {0.0, 1.0}
        assert 1 - 1e-5 <= border.min() < 1.1 < 5 < border.max() <= 6 + 1e-5
        assert len(border.unique()) > 1000

    def test_appearance_changes_only_the_image(self):
        data = [sample_of(0, border=True)]
        (plain, *_), (loud, *_) = load(data), load(data, LOUD)  # the first batch: later ones have drawn more numbers
        assert torch.equal(plain["target"], loud["target"])
        assert torch.equal(plain["weight"], loud["weight"])
        assert (plain["image"] - loud["image"]).abs().amax(dim=(1, 2, 3)).min() > 0.05

    def test_a_sample_without_weights_has_weight_1(self):
        without, bordered = sample_of(0, (40, 50)), sample_of(1, border=True)
        loader = load([without, bordered], samples_per_epoch=40)
        assert planes(loader).shape[1] == 3
        assert (loader.stacks[0][2] == 1).all()
        assert not (loader.stacks[1][2] == 1).all()
        assert set(next(iter(load([without])))) == {"image", "target"}


class TestPseudoLabelled:
    """Stacks whose labels a network has made, beside those that were annotated."""

    def loader(self, areas, share=None, count=2000):
        """Annotated samples of value 0 and pseudo-labelled stacks of value 1 to 2, of these areas in pixels."""
        annotated = [{key: torch.zeros(1, 10, area // 10) for key in ("image", "target")} for area in areas[0]]
        loader = load(annotated, batch_size=count, samples_per_epoch=count, weighted=True, warp=Warp((1, 1)))
        assert planes(loader)[:, 0].max() == 0
        loader.pseudo_labelled = [torch.full((3, 10, area // 10), 1.0 + index) for index, area in enumerate(areas[1])]
        loader.pseudo_label_fraction = loader.pseudo_label_fraction if share is None else share
        return loader

    @pytest.mark.parametrize("share", [None, 0.1, 0.8])
    @pytest.mark.parametrize("areas", [((400,), (400,)), ((400, 400), (100,)), ((100,), (900, 900, 900))], ids=str)
    def test_their_fraction_does_not_depend_on_their_size(self, share, areas):
        drawn = planes(self.loader(areas, share))[:, 0]
        # four sigma of a share of 2000 patches are 0.045
        assert float((drawn > 0.5).float().mean()) == pytest.approx(0.5 if share is None else share, abs=0.045)

    def test_each_is_drawn_equally_often(self):
        drawn = planes(self.loader(((500,), (300, 900))))[:, 0].round()
        assert float((drawn == 2).sum() / (drawn >= 1).sum()) == pytest.approx(0.5, abs=0.065)

    def test_weights_per_pixel_are_not_changed(self):
        loader = self.loader(((400,), (400,)), count=200)
        weight = planes(loader)[:, 2]
        torch.testing.assert_close(weight, torch.ones_like(weight))
        loader.pseudo_labelled = [torch.cat([torch.ones(1, 10, 40), torch.zeros(2, 10, 40)])]
        image, _, weight = planes(loader).unbind(1)
        assert torch.equal(weight.round(), 1 - image.round())
        assert 50 < float(image.sum()) < 150

    def test_weights_on_request(self):
        assert "weight" not in next(iter(load([sample_of(0)])))
        (batch, *_) = load([sample_of(0)], weighted=True)
        assert torch.allclose(batch["weight"], torch.ones(1))
        (bordered, *_) = load([sample_of(0, border=True)], weighted=True)
        assert bordered["weight"].max() > 2


class TestRandomness:
    def test_the_seed_determines_the_epochs(self):
        def epochs(seed):
            loader = load([sample_of(0), sample_of(1)], LOUD, seed=seed)
            return torch.cat([planes(loader), planes(loader)])

        assert torch.equal(epochs(3), epochs(3))
        assert not torch.equal(epochs(3), epochs(4))

    def test_the_global_generator_is_not_used(self):
        loader = load([sample_of(0)], LOUD)
        torch.manual_seed(0)
        before = torch.get_rng_state()
        planes(loader)
        assert torch.equal(before, torch.get_rng_state())


class TestSeveralProcesses:
    @pytest.fixture(params=[0, 1])
    def rank(self, request, monkeypatch):
        monkeypatch.setattr(idist, "get_world_size", lambda: 2)
        monkeypatch.setattr(idist, "get_rank", lambda: request.param)
        return request.param

    def test_each_makes_its_part_of_every_batch(self, rank):
        loader = load([sample_of(0)], batch_size=6, samples_per_epoch=13)
        assert [len(batch["image"]) for batch in loader] == [3, 3, 3]

    def test_patches_and_dropout_differ_and_the_generators_stay_equal(self, monkeypatch):
        monkeypatch.setattr(idist, "get_world_size", lambda: 2)
        drawn, dropout, states = [], [], []
        for rank in (0, 1):
            monkeypatch.setattr(idist, "get_rank", lambda rank=rank: rank)
            loader = load([sample_of(0)], LOUD, seed=3)
            drawn.append(planes(loader))
            dropout.append(torch.rand(8))
            states.append(loader.state_dict()["generator"])
        assert not torch.isclose(drawn[0], drawn[1]).all(dim=(1, 2, 3)).any()
        assert not torch.equal(*dropout)
        assert torch.equal(*states)

    def test_resumes_with_the_same_patches(self, rank):
        first, second = (load([sample_of(0)], LOUD, seed=seed) for seed in (1, 2))
        next(iter(first))
        second.load_state_dict(first.state_dict())
        assert torch.equal(next(iter(first))["image"], next(iter(second))["image"])


def test_resumes_with_the_next_patch():
    sample = {"image": torch.rand(1, 40, 48), "target": torch.zeros(1, 40, 48)}
    first, second = (PatchLoader([sample], Warp((16, 16)), Appearance(), HEAD, 2, 6, seed=seed) for seed in (1, 2))
    epoch = iter(first)
    next(epoch)
    second.load_state_dict(first.state_dict())
    assert torch.equal(next(epoch)["image"], next(iter(second))["image"])


CPU = torch.device("cpu")
IMAGE, TARGET, WEIGHT = (torch.full((2, 1, 4, 6), float(value)) for value in (1, 2, 3))


@pytest.mark.parametrize("wrap", [lambda plane: plane, MetaTensor], ids=["tensor", "MetaTensor"])
class TestPrepareBatch:
    def test_target_alone(self, wrap):
        image, target = prepare_batch({"image": wrap(IMAGE), "target": wrap(TARGET), "name": ["a", "b"]}, CPU)
        assert torch.equal(torch.as_tensor(image), IMAGE)
        assert torch.equal(target, TARGET)
        assert type(target) is torch.Tensor

    def test_the_weight_follows_the_target(self, wrap):
        _, target = prepare_batch({"weight": wrap(WEIGHT), "image": wrap(IMAGE), "target": wrap(TARGET)}, CPU)
        assert torch.equal(target, torch.cat([TARGET, WEIGHT], dim=1))

    def test_further_arguments_are_passed_on(self, wrap):
        batch = {"image": wrap(IMAGE), "target": wrap(TARGET)}
        assert {part.dtype for part in prepare_batch(batch, CPU, dtype=torch.float64)} == {torch.float64}


class TestToMasks:
    LOGITS = torch.tensor([-1.0, 0.0, 0.5, 2.0]).reshape(1, 1, 1, 4)
    TRUE = torch.tensor([0.0, 1.0, 1.0, 0.0]).reshape(1, 1, 1, 4)

    def test_logits_and_targets_become_masks(self):
        made = ToMasks(Head(), 0.6)({"pred": self.LOGITS, "label": self.TRUE, "loss": 1.0})
        assert made["pred"].tolist() == [[[[0.0, 0.0, 1.0, 1.0]]]]
        assert torch.equal(made["label"], self.TRUE)
        assert (made["loss"], set(made)) == (1.0, {"pred", "label", "loss"})

    def test_unlabelled_pixels_are_marked(self):
        weight = torch.tensor([1.0, 0.0, 5.0, 0.5]).reshape(1, 1, 1, 4)
        made = ToMasks(Head(), 0.5)({"pred": self.LOGITS, "label": torch.cat([self.TRUE, weight], dim=1)})
        assert torch.equal(made["label"], self.TRUE)
        assert made["labelled"].flatten().tolist() == [True, False, True, True]


def build(kind=ResumableSampler):
    torch.manual_seed(3)
    return kind(range(5), replacement=True, num_samples=70)


def test_the_sampler_draws_as_torch_does():
    own, theirs = build(), build(RandomSampler)
    torch.manual_seed(1)
    expected = [list(theirs), list(theirs)]
    torch.manual_seed(1)
    assert [list(own), list(own)] == expected
    assert expected[0] != expected[1]


def test_the_sampler_resumes_within_an_epoch():
    draws = build()
    whole = list(draws)
    torch.manual_seed(3)
    epoch = iter(draws)
    first = list(itertools.islice(epoch, 40))
    again = build()
    again.load_state_dict(draws.state_dict())
    assert first + list(again) == whole
    assert len(list(again)) == 70  # the epoch behind is whole again


def test_the_sampler_resumes_at_the_end_of_an_epoch():
    draws, again = build(), build()
    list(draws)
    again.load_state_dict(draws.state_dict())
    assert len(list(again)) == 70


class TestAnnotatedInPart:
    """Of one of two images only 16 x 16 pixels are annotated."""

    def make(self):
        part = sample_of(0)
        part["target"][..., 16:, :] = UNKNOWN
        part["target"][..., 16:] = UNKNOWN
        return part

    @pytest.mark.parametrize("warp", [Warp((24, 32)), Warp((24, 32), stretch=1.5, shear=0.3, elastic=2.0)])
    def test_every_patch_has_annotated_pixels(self, warp):
        loader = load([self.make()], samples_per_epoch=64, warp=warp)
        known = torch.cat([(batch["target"] >= 0).flatten(1).sum(1) for batch in loader])
        assert known.min() >= 20
        loader.centres = {}
        assert torch.cat([(batch["target"] >= 0).flatten(1).sum(1) for batch in loader]).min() == 0

    def test_targets_are_0_1_or_unknown(self):
        found = torch.cat([batch["target"] for batch in load([self.make()], samples_per_epoch=40)])
        assert set(found.unique().tolist()) == {0.0, 1.0, UNKNOWN}

    def test_pixels_next_to_unknown_ones_are_never_background(self):
        """Half of a pixel that is foreground must not become background because the other half is unknown."""
        part = self.make()
        part["target"][..., :16, :16] = 1
        found = torch.cat([batch["target"] for batch in load([part], samples_per_epoch=40)])
        assert set(found.unique().tolist()) == {1.0, UNKNOWN}

    def test_other_images_have_patches_from_anywhere(self):
        loader = load([sample_of(1), self.make()])
        next(iter(loader))
        assert list(loader.centres) == [1]
        assert loader.centres[1].tolist() == [112 * row + column for row in range(16) for column in range(16)]

    def test_an_image_whose_annotated_pixels_are_lost_by_scaling_has_no_loss(self):
        part = self.make()
        part["target"][:] = UNKNOWN
        loader = load([part])
        assert all((batch["target"] == UNKNOWN).all() for batch in loader)
        assert loader.centres == {}

    def test_masks_for_metrics_leave_them_out(self):
        label = torch.tensor([[[[1.0, UNKNOWN]], [[1.0, 0.0]]]])
        output = {"pred": torch.tensor([[[[3.0, 3.0]]]]), "label": label}
        found = ToMasks(HEAD, 0.5)(output)
        assert found["label"].tolist() == [[[[1.0, 0.0]]]]
        assert found["labelled"].tolist() == [[[[True, False]]]]
        found = ToMasks(HEAD, 0.5)({**output, "label": label[:, :1].clamp(min=0)})
        assert "labelled" not in found
