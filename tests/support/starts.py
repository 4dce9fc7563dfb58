"""Small starts with weights that are not those of a new network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from livecell_monai.network import Head, UNet
from livecell_monai.network.start import Start, write_start

MAPS = ["foreground", "distance"]
#: the network of `small_training.SMALL`
NETWORK: dict[str, Any] = {
    **{"filters": [4, 8], "convolutions": 2, "down": "max", "residual": True, "stem_stride": 2, "norm": "batch"},
}


def make_start(maps: list[str] = MAPS, seed: int = 1, **network: Any) -> Start:
    """A start of the small network, whose batch norms have seen something."""
    torch.manual_seed(seed)
    shape = {**NETWORK, **network}
    unet = UNet(**shape, channels=len(Head(maps).outputs))
    multiple = 4 * unet.multiple
    unet.train()(torch.randn(4, 1, multiple, multiple))
    return Start(dict(unet.state_dict()), shape, list(maps), 40.0)


@contextmanager
def shipped(path: Path, start: Start | None = None) -> Iterator[Path]:
    """The installation ships this start during the block, written to a path; None for an installation without one."""
    from livecell_monai.bundle import start as bundles
    from livecell_monai.network import start as module
    from livecell_monai.training import start as users

    if start is not None:
        write_start(path, start, {"seen": "random numbers"})
    with pytest.MonkeyPatch.context() as patch:
        for one in (module, users, bundles):
            patch.setattr(one, "find_shipped_start", lambda: None if start is None else path)
        yield path
