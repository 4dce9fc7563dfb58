import logging
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.data.stream.ranges import DOMAINS
from livecell_monai.errors import DataError, SettingError
from livecell_monai.network import Head, build_network
from livecell_monai.network.start import Start, read_start, write_start
from livecell_monai.training import pretraining
from livecell_monai.training.budget import decay_factor
from livecell_monai.training.pretraining import Pretraining, PretrainingRequest
from livecell_monai.training.stream_dataset import StreamDataset

QUICK = 0.02  # minutes


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 2 patches, 2 fields before the first step, a pool of 3."""
    monkeypatch.setattr(pretraining, "FEWEST", 2)
    monkeypatch.setattr(pretraining, "POOL", 3)
    small = pretraining.SETTINGS["batch_size"].__class__(**{**pretraining.SETTINGS["batch_size"].__dict__, "default": 2})
    monkeypatch.setitem(pretraining.SETTINGS, "batch_size", small)


def run(output: Path, **options: object) -> Pretraining:
    one = Pretraining(PretrainingRequest(output, QUICK, workers=0, **options))  # type: ignore[arg-type]
    one.run()
    return one


def test_weights_fit_the_default_network_and_state_what_they_are(tmp_path: Path) -> None:
    output = tmp_path / "start.safetensors"
    one = run(output)
    start = read_start(output)
    assert one.steps > 0
    assert one.loss > 0
    assert start.head == ["foreground", "distance"]
    assert start.diameter == 48
    network = build_network(**start.network, channels=len(Head(start.head).outputs))
    network.load_state_dict(start.weights)
    torch.manual_seed(0)
    fresh = build_network(**start.network, channels=5).state_dict()
    assert any(not torch.equal(value.half().float(), start.weights[name]) for name, value in fresh.items())
    assert output.stat().st_size < 5_000_000
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_a_number_of_steps_gives_the_same_weights_again(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        one = Pretraining(PretrainingRequest(tmp_path / f"{name}.safetensors", steps=2, workers=0))
        one.run()
        assert one.steps == 2
        assert one.optimizer.param_groups[0]["lr"] == pytest.approx(0.002 * decay_factor(0.5))
        runs.append(read_start(one.request.output).weights)
    assert all(torch.equal(value, runs[1][name]) for name, value in runs[0].items())


def test_steps_follow_the_loss(tmp_path: Path) -> None:
    one = Pretraining(PretrainingRequest(tmp_path / "a.safetensors", 1.0, workers=0))
    one.loader.stacks = [next(StreamDataset(one.head, 0, 6).load(0))]
    batch = next(iter(one.loader))
    assert batch["image"].shape == (2, 1, 256, 256)
    losses = []
    for _ in range(12):
        one._step(batch, 1.0)
        losses.append(one.loss * 1.0)
    assert one.steps == 12
    assert losses[-1] < 0.9 * losses[0]
    assert one.optimizer.param_groups[0]["lr"] == pytest.approx(0.002)


def test_new_fields_replace_the_oldest_of_a_full_pool(tmp_path: Path) -> None:
    one = Pretraining(PretrainingRequest(tmp_path / "a.safetensors", 1.0, workers=0))
    one.loader.stacks = [torch.zeros(1), torch.ones(1)]
    for number in range(2, 6):
        one._refresh(torch.full((1,), float(number)))
        one.steps += 1
    assert [float(stack) for stack in one.loader.stacks] == [3, 4, 5]


def test_going_on_starts_from_the_weights_with_other_fields(tmp_path: Path) -> None:
    output = tmp_path / "start.safetensors"
    run(output)
    start = read_start(output)
    more = Pretraining(PretrainingRequest(tmp_path / "more.safetensors", QUICK, start=output, workers=0))
    assert all(torch.equal(value, start.weights[name]) for name, value in more.network.state_dict().items())
    assert more.first > 1000
    other = start.network | {"residual": False}
    weights = build_network(**other, channels=5).state_dict()
    write_start(output, Start(weights, other, start.head, 40.0), {})
    with pytest.raises(SettingError, match="must have the default network"):
        Pretraining(PretrainingRequest(tmp_path / "more.safetensors", QUICK, start=output))
    output.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"start.safetensors: a start must be a file that livecell pretrain has written"):
        Pretraining(PretrainingRequest(tmp_path / "more.safetensors", QUICK, start=output))


def test_real_images_take_their_share(tmp_path: Path) -> None:
    folder = write_sample_set(tmp_path / "cells", train=2, test=0, shape=(96, 128))
    one = Pretraining(PretrainingRequest(tmp_path / "a.safetensors", 1.0, data=(str(folder),), share=0.7, workers=0))
    assert [tuple(stack.shape) for stack in one.loader.pseudo_labelled] == [(3, 96, 128)] * 2
    assert one.loader.pseudo_label_fraction == 0.7
    assert float(one.loader.pseudo_labelled[0][0].median()) == pytest.approx(0, abs=0.1)
    assert 0 < float(one.loader.pseudo_labelled[0][1].mean()) < 1


@pytest.mark.parametrize("grace", [None, 0.05])
def test_a_signal_leaves_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: float | None) -> None:
    """Also in a step that takes longer than the time that a signal leaves."""
    if grace is not None:
        monkeypatch.setattr("livecell_monai.runs.signals.GRACE_S", grace)
    output = tmp_path / "start.safetensors"
    one = Pretraining(PretrainingRequest(output, 10.0, workers=0))
    step = one._step

    def interrupt(*args: object) -> None:
        step(*args)  # type: ignore[arg-type]
        if one.steps == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0 if grace is None else 10)

    monkeypatch.setattr(one, "_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        one.run()
    assert one.steps == one.written == 2
    assert read_start(output).head == ["foreground", "distance"]


@pytest.mark.parametrize("place", ["field", "step"])
def test_a_signal_before_the_first_step_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr("livecell_monai.runs.signals.GRACE_S", 0.05)
    output = tmp_path / "start.safetensors"
    one = Pretraining(PretrainingRequest(output, 10.0, workers=0))

    def interrupt(*_: object) -> None:
        if place == "field":
            raise KeyboardInterrupt  # signals are not deferred yet
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    if place == "step":
        monkeypatch.setattr(one, "_step", interrupt)
    else:
        monkeypatch.setattr(StreamDataset, "load", lambda *_: map(interrupt, range(9)))
    with pytest.raises(KeyboardInterrupt):
        one.run()
    assert one.written is None
    assert not output.exists()


def test_weights_are_written_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pretraining, "SAVE_S", 0.0)
    with caplog.at_level(logging.INFO, logger="livecell_monai"):
        one = run(tmp_path / "start.safetensors")
    written = [line for line in caplog.messages if "written after" in line]
    assert len(written) == one.steps + 1
    assert any("min: step 1, loss" in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minutes": 0.0}, "--minutes must be above 0 and finite, got 0"),
        ({"minutes": float("nan")}, "--minutes must be above 0 and finite, got nan"),
        ({"minutes": float("inf")}, "--minutes must be above 0 and finite, got inf"),
        ({"minutes": None, "steps": 0}, "--steps must be at least 1, got 0"),
        ({"minutes": None, "steps": -5}, "--steps must be at least 1, got -5"),
        ({"steps": 3}, "--minutes or --steps says how long to train; give one of them"),
        ({"minutes": None}, "--minutes or --steps says how long to train; give one of them"),
        ({"share": 1.0}, "--share must lie between 0 and 1, got 1"),
        ({"leave_out": ("x-ray",)}, "--leave-out must leave some of phase_contrast, .*, got x-ray"),
        ({"leave_out": tuple(DOMAINS)}, "--leave-out must leave some of"),
        ({"seed": 2**32}, "setting seed must be .*, got 4294967296"),
        ({"seed": -1}, "setting seed must be .*, got -1"),
        ({"output": Path("weights.pt")}, "weights.pt: expected a file .safetensors in an existing folder"),
        ({"output": Path("nowhere/weights.safetensors")}, "expected a file .safetensors in an existing folder"),
    ],
)
def test_rejects_values(tmp_path: Path, change: dict[str, object], message: str) -> None:
    values = {"output": tmp_path / "a.safetensors", "minutes": 1.0, **change}
    with pytest.raises(SettingError, match=message):
        PretrainingRequest(**values)  # type: ignore[arg-type]


def test_rejects_a_folder_that_cannot_be_written_before_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(DataError, match=r"a\.safetensors: cannot be written \(Permission denied\); make room, or choose"):
        PretrainingRequest(tmp_path / "a.safetensors", 1.0)


def test_a_loss_that_is_no_number_is_one_line_and_leaves_the_weights(tmp_path: Path) -> None:
    one = Pretraining(PretrainingRequest(tmp_path / "a.safetensors", 1.0, workers=0))
    before = {name: value.clone() for name, value in one.network.state_dict().items() if value.is_floating_point()}
    one.loss_function = lambda *_: torch.tensor(float("nan"), requires_grad=True)  # type: ignore[assignment]
    batch = {"image": torch.zeros(2, 1, 256, 256), "target": torch.zeros(2, 2, 256, 256)}
    with pytest.raises(
        DataError, match=r"the loss must be finite, got nan at step 1, no weights are written; use"
    ) as caught:
        one._step(batch, 1.0)
    assert "\n" not in str(caught.value)
    assert one.steps == 0
    parameters = dict(one.network.named_parameters())
    assert all(torch.equal(parameters[name], before[name]) for name in parameters)


def test_domains_can_be_left_out(tmp_path: Path) -> None:
    request = PretrainingRequest(tmp_path / "a.safetensors", 1.0, leave_out=("dic", "stain"))
    assert set(request.domains) == set(DOMAINS) - {"dic", "stain"}
