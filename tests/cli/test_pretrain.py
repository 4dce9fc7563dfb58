from pathlib import Path

import pytest
import typer.testing

from livecell_monai.cli import app
from livecell_monai.errors import SettingError
from livecell_monai.network.start import read_start
from livecell_monai.training.pretraining import Pretraining


def run(*arguments: str) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, ["pretrain", *arguments])


def test_writes_weights_and_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livecell_monai.training.pretraining.FEWEST", 1)
    monkeypatch.setattr("livecell_monai.cli.head_start.STARTED", 0.0)  # the time is over before the first step
    output = tmp_path / "start.safetensors"
    done = run("--output", str(output), "--minutes", "0.01", "--workers", "0", "--accelerator", "cpu-fp32")
    assert done.exit_code == 0, done.output
    assert "steps, loss" in done.output
    assert read_start(output).head == ["foreground", "distance"]


def test_a_length_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livecell_monai.training.pretraining.FEWEST", 1)
    output = tmp_path / "start.safetensors"
    done = run("--output", str(output), "--steps", "1", "--workers", "0", "--accelerator", "cpu-fp32")
    assert done.exit_code == 0, done.output
    assert f"{output}: 1 steps, loss" in done.output
    both = run("--output", str(tmp_path / "other.safetensors"), "--steps", "1", "--minutes", "1")
    assert "give one of them" in str(both.exception)


def test_rejects_a_file_that_exists(tmp_path: Path) -> None:
    output = tmp_path / "start.safetensors"
    output.write_bytes(b"mine")
    done = run("--output", str(output), "--minutes", "1")
    assert isinstance(done.exception, SettingError)
    assert "already exists" in str(done.exception)
    assert output.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("written", "words"),
    [(None, "--output {file} --steps 5"), (3, "--from {file} --output {file} --steps 2"), (5, None)],
)
def test_says_how_to_go_on_after_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int | None, words: str | None
) -> None:
    """From the file only if this run has written it, for the steps that are not in it."""

    def stop(one: Pretraining) -> None:
        one.written, one.steps = written, 4
        raise KeyboardInterrupt

    monkeypatch.setattr(Pretraining, "run", stop)
    output = tmp_path / "my start.safetensors"
    output.write_bytes(b"an older one")
    given = "--seed 3 --leave-out dic --leave-out stain --workers 0 --accelerator cpu-fp32"
    done = run("--output", str(output), "--steps", "5", *given.split(), "--overwrite")
    if words is None:
        assert "to go on" not in done.output
    else:
        again = " --overwrite" if written is None else ""
        assert f"to go on: livecell pretrain {words.format(file=repr(str(output)))} {given}{again}\n" in done.output


def test_the_same_command_again_if_nothing_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the start of the first command."""
    monkeypatch.setattr("livecell_monai.training.pretraining.FEWEST", 1)
    first, output = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert run("--output", str(first), "--steps", "1", "--workers", "0", "--accelerator", "cpu-fp32").exit_code == 0

    def stop(one: Pretraining) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pretraining, "run", stop)
    done = run("--from", str(first), "--output", str(output), "--minutes", "2", "--workers", "2")
    assert f"--from {first} --output {output} --minutes 2 --seed 0 --workers 2 --accelerator auto\n" in done.output
