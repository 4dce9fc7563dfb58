"""The setting `start`: which weights a training begins with, and what is recorded of it."""

import json
import logging
import re
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import save_file

from livecell_monai.bundle.ensemble import join_bundles
from livecell_monai.bundle.weights import read_weights
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError, DataError, SettingError, find_user_error
from livecell_monai.network import Head, UNet
from livecell_monai.network.start import write_start
from livecell_monai.tasks import resume, train
from livecell_monai.training.setup import plan
from livecell_monai.training.start import InitialWeights, choose_auto, choose_start, read_bundle_as_start
from tests.support.small_training import SMALL
from tests.support.starts import MAPS, NETWORK, make_start, shipped
from tests.support.stopped_training import at_loss, foreground, press_ctrl_c

pytestmark = pytest.mark.usefixtures("without_figures")

SETTINGS = {**NETWORK, "maps": MAPS, "normalise": True, "start": "auto"}


def network_of(maps=MAPS, **changes):
    torch.manual_seed(5)
    return UNet(**{**NETWORK, **changes}, channels=len(Head(maps).outputs))


@contextmanager
def nowhere(name, uri):
    raise SettingError(f"{name}: there is no such run")
    yield


def weights_for(start, maps=MAPS, locate=nowhere, **settings):
    network = network_of(maps, **{name: value for name, value in settings.items() if name in NETWORK})
    return InitialWeights(network, {**SETTINGS, "maps": maps, **settings, "start": str(start)}, locate)


def has_weights(network, start):
    return all(
        torch.equal(tensor, start.weights[name].half().float())
        for name, tensor in network.state_dict().items()
        if name.startswith("body") and tensor.is_floating_point()
    )


def is_random(network, maps=MAPS, **changes):
    """Whether the network has the weights that it had when it was made."""
    fresh = network_of(maps, **changes).state_dict()
    return all(torch.equal(tensor, fresh[name]) for name, tensor in network.state_dict().items())


class TestAuto:
    def test_is_the_shipped_start_where_it_fits(self, tmp_path):
        start = make_start()
        with shipped(tmp_path / "shipped.safetensors", start) as path:
            found = weights_for("auto")
        assert has_weights(found.network, start)
        assert all(tensor.dtype != torch.float16 for tensor in found.network.state_dict().values())
        assert found.facts == {"start": "auto", "start_sha256": hash_file(path)}

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"filters": [4, 8, 8]}, r"filters is \[4, 8, 8\], that of the start \[4, 8\]"),
            ({"norm": "instance"}, 'norm is "instance", that of the start "batch"'),
            ({"normalise": False}, "normalise is false"),
        ],
    )
    def test_else_random_weights_and_a_warning(self, tmp_path, caplog, changes, words):
        of_network = {name: value for name, value in changes.items() if name in NETWORK}
        with shipped(tmp_path / "shipped.safetensors", make_start()), caplog.at_level(logging.WARNING):
            found = weights_for("auto", **changes)
        assert is_random(found.network, **of_network)
        assert found.facts == {}
        (line,) = caplog.messages
        assert line.startswith("the training begins from random weights: ")
        with shipped(tmp_path / "shipped.safetensors", make_start()):
            choice = choose_auto({**SETTINGS, **changes})
        assert choice.value == "none"
        assert re.search(words, choice.reason)

    def test_random_weights_without_a_shipped_one(self, tmp_path):
        with shipped(tmp_path / "shipped.safetensors"):
            assert is_random(weights_for("auto").network)
            assert choose_auto(SETTINGS).reason == "random weights: this installation ships no start"

    def test_a_damaged_one_is_an_error(self, tmp_path):
        with shipped(tmp_path / "shipped.safetensors", make_start()) as path:
            path.write_bytes(path.read_bytes()[:-1])
            with pytest.raises(DataError, match="copy it again"):
                weights_for("auto")


def test_none_leaves_random_weights(tmp_path):
    with shipped(tmp_path / "shipped.safetensors", make_start()):
        found = weights_for("none")
    assert is_random(found.network)
    assert found.facts == {}


def test_random_weights_have_no_share(tmp_path):
    with shipped(tmp_path / "shipped.safetensors", make_start()):
        assert weights_for("auto", start_share=0.3).share == 0.3
        assert weights_for("none", start_share=0.3).share == 0.0


class TestNamed:
    def test_a_file(self, tmp_path):
        start, path = make_start(), tmp_path / "mine.safetensors"
        write_start(path, start, {})
        found = weights_for(path)
        assert has_weights(found.network, start)
        assert (found.facts, found.seen) == ({"start": str(path), "start_sha256": hash_file(path)}, {})

    def test_a_file_that_does_not_fit_is_rejected(self, tmp_path):
        path = tmp_path / "mine.safetensors"
        write_start(path, make_start(["foreground"]), {})
        assert has_weights(weights_for(path, ["foreground"]).network, make_start(["foreground"]))
        with pytest.raises(SettingError, match=f"^setting start must .*, {path} does not: maps has distance, which the"):
            weights_for(path)

    def test_a_bundle(self, trained):
        bundle = trained[1]
        named = []

        @contextmanager
        def locate(name, uri):
            named.append((name, uri))
            yield bundle

        found = weights_for("models:/cells@best", ["foreground"], locate)
        kept = read_weights(bundle / "models" / "model.safetensors")
        assert all(torch.equal(tensor, kept[name]) for name, tensor in found.network.state_dict().items())
        digest = json.loads((bundle / "configs" / "metadata.json").read_text())["training"]["weights_sha256"]
        assert found.facts == {"start": "models:/cells@best", "start_sha256": digest}
        assert set(found.seen) == {hash_file(path) for path in (trained[0] / "train" / "images").iterdir()}
        assert named == [("models:/cells@best", "auto")]

    def test_the_shipped_one_by_its_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with shipped(tmp_path / "shipped.safetensors", make_start()) as path:
            found = weights_for("start", start_share=0.3)
            with pytest.raises(
                SettingError, match=r"^setting start must be a start that fits the network, start does not: fil"
            ):
                weights_for("start", filters=[4, 8, 8])
        assert has_weights(found.network, make_start())
        assert found.facts == {"start": "start", "start_sha256": hash_file(path)}
        with shipped(tmp_path / "shipped.safetensors"), pytest.raises(BundleError, match=r"^start: .* ships no start"):
            weights_for("start")

    def test_a_bundle_whose_folder_has_the_name_of_the_shipped_one(self, trained, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "start").mkdir()

        @contextmanager
        def locate(name, uri):
            yield trained[1]

        kept = hash_file(trained[1] / "models" / "model.safetensors")
        assert weights_for("start", ["foreground"], locate).facts == {"start": "start", "start_sha256": kept}
        assert "start_share" not in choose_start({**SETTINGS, "start": "start"})

    def test_a_run_that_is_not_there(self):
        with pytest.raises(SettingError, match="there is no such run"):
            weights_for("best-run")

    def test_a_folder_that_is_no_bundle(self, tmp_path):
        with pytest.raises(BundleError, match="a bundle must have a folder configs/"):
            read_bundle_as_start(tmp_path, "mine")

    def test_an_ensemble_is_rejected(self, trained, tmp_path):
        join_bundles([trained[1], trained[1]], tmp_path / "joined", {}, "card")
        with pytest.raises(SettingError, match="must be one network, joined is an ensemble of 2; name one of its folds"):
            read_bundle_as_start(tmp_path / "joined", "joined")


class TestPlanned:
    def planned(self, folder, **settings):
        return {name: choice.value for name, choice in plan(folder, settings=settings)[0].items()}

    def test_auto_for_a_network_that_fits(self, folder, tmp_path):
        start = make_start(filters=[16, 32, 64, 128, 256])
        with shipped(tmp_path / "shipped.safetensors", start) as path:
            choices, _ = plan(folder)
            assert (choices["start"].value, choices["lr"].value) == ("auto", 0.001)
            assert hash_file(path)[:12] in choices["start"].reason
            assert self.planned(folder, filters=[4, 8])["start"] == "none"
            assert self.planned(folder, filters=[4, 8])["lr"] == 0.002
            assert self.planned(folder, start="none")["lr"] == 0.002
            assert choices["start_share"].value > 0
            assert "start_share" not in self.planned(folder, start="none")

    def test_goes_by_what_is_set_not_by_what_is_planned(self, folder, tmp_path):
        with shipped(tmp_path / "shipped.safetensors", make_start()):
            assert self.planned(folder)["start"] == "none"
            assert self.planned(folder, filters=[4, 8])["start"] == "auto"

    def test_a_named_one_is_not_read_for_it(self):
        found = choose_start({**SETTINGS, "start": "models:/cells@best"})
        assert (found["start"].value, found["lr"].value) == ("models:/cells@best", 0.001)
        assert "start_share" not in found

    def test_the_shipped_one_by_its_name_keeps_a_share(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        found = choose_start({**SETTINGS, "start": "start"})
        assert (found["start"].value, found["lr"].value) == ("start", 0.001)
        assert found["start_share"].value > 0

    def test_a_file_of_a_pretraining_keeps_a_share(self, tmp_path):
        write_start(tmp_path / "mine.safetensors", make_start(), {})
        assert choose_start({**SETTINGS, "start": str(tmp_path / "mine.safetensors")})["start_share"].value > 0


class TestTraining:
    def test_says_what_it_began_with(self, folder, tmp_path):
        start = make_start()
        with shipped(tmp_path / "shipped.safetensors", start) as path:
            result = train(folder, tmp_path / "model", settings=SMALL)
            without = train(folder, tmp_path / "none", settings={**SMALL, "start": "none"})
        assert (result["start"], result["start_sha256"]) == ("auto", hash_file(path))
        assert "start_sha256" not in without
        assert result["weights_sha256"] != without["weights_sha256"]
        card, other = ((tmp_path / name / "docs" / "README.md").read_text() for name in ("model", "none"))
        assert f"| the start | `{hash_file(path)}` |" in card
        assert "the start that livecell-monai ships" in card
        assert "The training began with random weights." in other
        assert 'start: "auto"  # weights of a network' in (tmp_path / "model" / "configs" / "plan.yaml").read_text()

    def test_a_first_step_is_taken_from_the_start(self, folder, tmp_path):
        """With a rate of nearly 0, the weights that training leaves are those of the start."""
        start = make_start()
        with shipped(tmp_path / "shipped.safetensors", start):
            train(folder, tmp_path / "model", settings={**SMALL, "maps": MAPS, "lr": 1e-12, "weight_decay": 0.0})
        left = read_weights(tmp_path / "model" / "models" / "model.safetensors")
        for name, tensor in start.weights.items():
            if "running" not in name and tensor.is_floating_point():
                assert torch.allclose(left[name], tensor.half().float(), atol=1e-6), name

    @pytest.mark.parametrize(("changes", "is_seen"), [({}, False), ({"validation_fraction": 0.4}, True)])
    def test_warns_if_the_start_has_seen_what_is_held_out(self, trained, tmp_path, caplog, changes, is_seen):
        """The same split holds out the same strips; larger strips reach into what the start was trained on."""
        settings = {**SMALL, "epochs": 1, "maps": ["foreground"], "start": str(trained[1]), **changes}
        with caplog.at_level(logging.WARNING):
            result = train(trained[0], tmp_path / "model", settings=settings)
        names = ["train_00", "train_01", "train_02"]
        assert result.get("seen_by_start", []) == (names if is_seen else [])
        words = f"the start {trained[1]} was trained on 3 of the 3 validation images (train_00, ...)"
        assert any(line.startswith(words) for line in caplog.messages) is is_seen
        card = (tmp_path / "model" / "docs" / "README.md").read_text()
        assert ("WARNING: the start was trained on 3 of the validation images" in card) is is_seen
        first = read_bundle_as_start(trained[1], "first").seen
        both = read_bundle_as_start(tmp_path / "model", "both").seen
        assert set(both) == set(first)
        assert all(set(parts) <= set(both[digest]) for digest, parts in first.items())

    def test_does_not_resume_from_another_start(self, folder, tmp_path):
        path = tmp_path / "mine.safetensors"
        write_start(path, make_start(["foreground"]), {})
        settings = {**SMALL, "maps": ["foreground"], "start": str(path)}
        with foreground(), at_loss(4, press_ctrl_c), pytest.raises(KeyboardInterrupt):
            train(folder, tmp_path / "model", settings=settings)
        write_start(path, make_start(["foreground"], seed=2), {})
        with pytest.raises(RuntimeError) as caught:
            resume(tmp_path / "model")
        assert "must resume with the same start_sha256" in str(find_user_error(caught.value))
        write_start(path, make_start(["foreground"]), {})
        resumed = resume(tmp_path / "model")
        whole = train(folder, tmp_path / "whole", settings=settings)
        assert resumed["weights_sha256"] == whole["weights_sha256"]


def test_a_file_of_a_bundle_is_named_by_its_folder(tmp_path):
    bundle = tmp_path / "trained"
    for folder in ("models", "configs"):
        (bundle / folder).mkdir(parents=True)
    (bundle / "configs" / "metadata.json").write_text("{}")
    weights = bundle / "models" / "model.safetensors"
    save_file(dict(network_of().state_dict()), weights)
    with pytest.raises(SettingError, match=rf"is a file within one; give {re.escape(str(bundle))}$"):
        weights_for(weights)
    alone = weights.rename(tmp_path / "alone.safetensors")
    with pytest.raises(DataError, match="got: weights that do not say which network they are for; copy it again"):
        weights_for(alone)
