"""One pass of the network: under autocast, in channels_last, over the views of a window."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer

from livecell_monai.errors import SettingError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.prediction.prepared import without_metadata

Forward = Callable[..., torch.Tensor]
_TURNS = (0, 1, 2, 3)
VIEWS = {  #: (quarter turns, mirrored ahead of them) by number of views
    1: [(0, False)],
    2: [(0, False), (0, True)],
    4: [(turns, False) for turns in _TURNS],
    8: [(turns, is_mirrored) for is_mirrored in (False, True) for turns in _TURNS],
}


class PatchInferer(Inferer):  # type: ignore[misc]
    """A whole batch (B, 1, Y, X) at once, for training; logits (B, C, Y, X) come back as float32.

    Args:
        accelerator: what the network was placed on.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator

    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, C, Y, X) float32."""
        plain = without_metadata(inputs)
        with self.accelerator.autocast():
            logits = network(plain.contiguous(memory_format=torch.channels_last), *args, **kwargs)
        return logits.float()


class ViewInferer(Inferer):  # type: ignore[misc]
    """A batch of windows at once, the logits averaged over turned and mirrored views; each window is turned by itself.

    Args:
        accelerator: what the network was placed on.
        tta_views: 1; 2 with the mirrored image; 4 with its quarter turns; 8 with both.

    Raises:
        SettingError: the number of views is another one.
    """

    def __init__(self, accelerator: Accelerator, tta_views: int = 1) -> None:
        if isinstance(tta_views, bool) or not isinstance(tta_views, int) or tta_views not in VIEWS:
            raise SettingError(
                f"setting tta_views must be one of {', '.join(map(str, VIEWS))}, got {tta_views!r}; correct it"
            )
        self.views = VIEWS[tta_views]
        self.forward = PatchInferer(accelerator)

    @property
    def is_bf16(self) -> bool:
        """Whether the network runs in bf16."""
        return self.forward.accelerator.bf16

    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, C, Y, X) float32 of windows (B, 1, Y, X)."""
        if len(self.views) == 1:
            return self.forward(inputs, network, *args, **kwargs)
        total: torch.Tensor | float = 0.0
        for turns, is_mirrored in self.views:
            seen = torch.rot90(inputs.flip(3) if is_mirrored else inputs, turns, (2, 3))
            logits = torch.rot90(self.forward(seen, network, *args, **kwargs), -turns, (2, 3))
            total = total + (logits.flip(3) if is_mirrored else logits)
        assert isinstance(total, torch.Tensor)
        return total / len(self.views)
