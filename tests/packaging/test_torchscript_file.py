"""TorchScript files run without our package."""

import json

import numpy as np
import torch

from livecell_monai.packaging.parity import measure_parity
from livecell_monai.packaging.torchscript_file import FACTS, open_torchscript, write_torchscript


def test_gives_the_masks_of_the_bundle_and_says_what_it_is(model, facts, segmenter, tmp_path):
    path = tmp_path / "model.pt"
    write_torchscript(model, facts, path)
    image = np.random.default_rng(0).normal(size=(203, 311)).astype(np.float32)
    parity = measure_parity(open_torchscript(path), segmenter, image)
    assert parity.iou == 1.0
    files = {FACTS: ""}
    module = torch.jit.load(path, _extra_files=files)
    assert json.loads(files[FACTS]) == facts.texts()
    assert "livecell" not in str(module.original_name)
