"""How a batch or an image goes through the network: under autocast, in channels_last, in windows."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer, SlidingWindowInferer

from livecell_monai.workflow.accelerator import Accelerator

Forward = Callable[..., torch.Tensor]


class PatchInferer(Inferer):  # type: ignore[misc]
    """A whole batch (B, 1, Y, X) at once, for training; logits come back as float32.

    Args:
        accelerator: what the network was placed on.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator

    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, 1, Y, X) float32."""
        # a MetaTensor costs a detour through Python in every operation: the network sees the plain tensor
        plain = inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs
        with self.accelerator.autocast():
            logits = network(plain.contiguous(memory_format=torch.channels_last), *args, **kwargs)
        return logits.float()


class WindowInferer(SlidingWindowInferer):  # type: ignore[misc]
    """A window slid over each image (B, 1, Y, X), the overlaps blended by a Gaussian; any size of image will do.

    Args:
        accelerator: what the network was placed on.
        window: [Y, X] pixels of the window at the working size, multiples of the network's `multiple`.
        multiple: what Y and X of the network's input must be multiples of.
        batch: number of windows that go through the network at once.
        overlap: share of a window that its neighbour sees too, in [0, 1).
    """

    def __init__(
        self, accelerator: Accelerator, window: Sequence[int], multiple: int, batch: int = 4, overlap: float = 0.25
    ) -> None:
        # replicated edges: reflection, as in training, fails on images smaller than half a window
        super().__init__(window, batch, overlap, mode="gaussian", padding_mode="replicate")
        self.window = tuple(window)
        self.multiple = multiple
        self.forward = PatchInferer(accelerator)

    def __call__(self, inputs: torch.Tensor, network: Forward, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, 1, Y, X) float32 of the same Y and X."""
        # a small image gets a window of its own size, not one full of padding
        fitting = (-(-edge // self.multiple) * self.multiple for edge in inputs.shape[-2:])
        self.roi_size = [min(edge, fit) for edge, fit in zip(self.window, fitting, strict=True)]
        plain = inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs
        logits: torch.Tensor = super().__call__(plain, lambda part: self.forward(part, network), *args, **kwargs)
        return logits
