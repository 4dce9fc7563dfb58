"""The one path from an image to its maps and its mask, whatever its size and whoever asks."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch
from monai.networks.utils import eval_mode
from monai.transforms import Compose
from torch import nn

from livecell_monai.bundle.open import open_bundle
from livecell_monai.errors import find_user_error
from livecell_monai.network.heads import Head
from livecell_monai.prediction.blending import Block, Context
from livecell_monai.prediction.prepared import PreparedImage, image_of, prepare
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.sample import Pixels, Region
from livecell_monai.transforms import PartialRestore, restore_grid

Given = str | Path | Pixels | Mapping[str, Any]  #: a path, the address of a plane, grey values (Y, X), or an item of paths


class Segmenter:
    """A network with all that stands around it in the bundle: preprocessing, windows, head and threshold.

    A small image is prepared by the bundle's `preprocessing` as a whole; a large one by the same transforms part by part
    (`prediction.large.open_large_image`). From there on both take the same way: windows, blending, the image's own grid,
    maps, mask. For one thread at a time.

    Args:
        network: gives logits (B, C, Y, X); its weights may be loaded later.
        inferer: how an image goes through the network.
        preprocessing: from the paths of an item to what the network sees.
        head: names of the maps, and how they follow from logits.
        threshold: least value of the foreground's map in the mask.
        device: where the network is.
    """

    def __init__(
        self,
        network: nn.Module,
        inferer: WindowInferer,
        preprocessing: Compose,
        head: Head,
        threshold: float,
        device: torch.device,
    ) -> None:
        self.network, self.inferer, self.preprocessing = network, inferer, preprocessing
        self.head, self.threshold, self.device = head, threshold, device

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the maps."""
        return self.head.channels

    def __call__(self, image: Given) -> Pixels:
        """The mask (Y, X) bool of an image.

        Raises:
            DataError: the image is not one grey plane.
        """
        mask: Pixels = self.mask_of(self.maps_of(image_of(self.prepare(image))))[0].numpy()
        return mask

    def maps(self, image: Given) -> dict[str, Pixels]:
        """The maps (Y, X) float32 in [0, 1] of an image, by channel.

        Raises:
            DataError: the image is not one grey plane.
        """
        found = self.maps_of(image_of(self.prepare(image)))
        return dict(zip(self.channels, found.numpy(), strict=True))

    def prepare(self, image: Given) -> Mapping[str, Any]:
        """What the bundle's preprocessing makes of an image.

        Raises:
            DataError: the image is not one grey plane.
        """
        with user_errors():
            return prepare(image, self.preprocessing)

    def logits_of(self, image: PreparedImage) -> torch.Tensor:
        """Logits (C, Y, X) float32 of an image in memory, on its own grid and on the network's device."""
        with eval_mode(self.network):
            return restore_grid(self.inferer.whole(image, self.network, self.device), image.grid)

    def maps_of(self, image: PreparedImage) -> torch.Tensor:
        """Maps (C, Y, X) float32 in [0, 1] of an image in memory, on its own grid."""
        return self.head.to_maps(self.logits_of(image)).cpu()

    def mask_of(self, maps: torch.Tensor) -> torch.Tensor:
        """The mask (1, Y, X) bool of maps (C, Y, X)."""
        return self.head.to_mask(maps, self.threshold)

    def bands(
        self, image: PreparedImage, top: int, bottom: int, advance: Callable[[int], None] = lambda _: None
    ) -> Generator[Block, None, None]:
        """Maps of rows [top, bottom) of an image, each pixel once: (row, column, maps (C, y, x) float32 in [0, 1]).

        A band of a large image comes in blocks, each as soon as no later window changes it; a small image is one block.

        Args:
            image: in memory or read part by part.
            top: first row, on the image's own grid.
            bottom: the row behind the last one.
            advance: called with the number of windows that are done.

        Raises:
            DataError: a part cannot be read.
            TooLargeError: the smallest windows are too large for the memory.
        """
        if not image.is_lazy:
            yield top, 0, self.maps_of(image)[:, top:bottom]
            return
        restore, context = PartialRestore(image.shape, image.grid), Context(image.shape[1])
        band = restore.rows.reach(top, bottom)
        with closing(self.inferer.blocks(image, self.network, self.device, band, advance)) as blocks:
            for block in blocks:
                restored = _restore(block, restore, context, (top, bottom))
                if restored is not None:
                    yield restored[0], restored[1], self.head.to_maps(restored[2])

    def count_windows(self, image: PreparedImage, top: int, bottom: int) -> int:
        """How many windows rows [top, bottom) of an image depend on."""
        band = PartialRestore(image.shape, image.grid).rows.reach(top, bottom)
        return len(list(self.inferer.blender(image.shape, band).windows()))


def _restore(block: Block, restore: PartialRestore, context: Context, band: tuple[int, int]) -> Block | None:
    """Logits on the image's own grid, as far as a block at the working scale reaches; None where that is nothing."""
    top, left, logits = block
    (height, width), above, before = logits.shape[-2:], top, left
    first, last, start, stop = top, top + height, left, left + width
    if restore.changes:
        above, before, logits = context.extend(*block)
        first, last = restore.rows.owned(top, last)
        start, stop = restore.columns.owned(left, stop)
    first, last = max(first, band[0]), min(last, band[1])
    if first >= last or start >= stop:
        return None
    return first, start, restore(logits, above, before, Region(first, start, last, stop))


def open_segmenter(bundle: str | Path, settings: Mapping[str, Any] | None = None) -> Segmenter:
    """The segmenter of a trained bundle: it finds in an image what `predict` finds, pixel for pixel.

    Args:
        bundle: the folder that training left.
        settings: values that override those of the bundle.

    Raises:
        LiveCellError: the folder is no bundle, or its weights do not fit.
    """
    opened = open_bundle(bundle, ["inference"], {**(settings or {}), "show_progress": False})
    opened.network  # noqa: B018  loads the weights into the network of the segmenter
    return opened.segmenter


@contextmanager
def user_errors() -> Iterator[None]:
    """Raise what the user can correct as itself, where MONAI has wrapped it."""
    try:
        yield
    except Exception as error:
        known = find_user_error(error)
        if known is None or known is error:
            raise
        raise known from None
