from pathlib import Path

import pytest
import torch

from livecell_monai.errors import DataError
from livecell_monai.network.start import Start, read_start, write_start


def test_a_start_comes_back_in_half_precision(tmp_path: Path) -> None:
    weights = {"a": torch.tensor([0.1, 1.0]), "steps": torch.tensor(7)}
    write_start(tmp_path / "a.safetensors", Start(weights, {"filters": [16, 32]}, ["foreground"], 40.0), {"minutes": "2"})
    start = read_start(tmp_path / "a.safetensors")
    assert (start.network, start.head, start.diameter) == ({"filters": [16, 32]}, ["foreground"], 40.0)
    assert start.weights["a"].tolist() == [pytest.approx(0.1, abs=1e-4), 1.0]
    assert start.weights["a"].dtype == torch.float32
    assert start.weights["a"][0] != weights["a"][0]
    assert int(start.weights["steps"]) == 7


def test_rejects_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match="must be a file written by livecell pretrain"):
        read_start(tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="must be a file written by livecell pretrain"):
        read_start(tmp_path / "missing.safetensors")
