"""The one path from an image to its maps and its mask."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.networks.utils import eval_mode
from monai.transforms import Compose, LoadImaged
from torch import nn

from livecell_monai.bundle.open import open_bundle
from livecell_monai.cells.decode import Labels
from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.data.readers.kinds import to_image
from livecell_monai.errors import find_user_error
from livecell_monai.network.heads import Head
from livecell_monai.prediction.blending import Block, Context
from livecell_monai.prediction.prepared import PreparedImage, image_of
from livecell_monai.prediction.window_inferer import WindowInferer
from livecell_monai.sample import IMAGE, NAME, OWN, Pixels, Region
from livecell_monai.transforms import PartialRestore, restore_grid

#: a path, the address of a plane, grey values (Y, X), or an item of paths
ImageLike = str | Path | Pixels | Mapping[str, Any]
ARRAY = Path("array")  #: the path of an image that comes as an array, for messages


class Mask(np.ndarray[Any, np.dtype[np.bool_]]):
    """A mask (Y, X) bool that knows its cells."""

    _decode: Callable[[], Labels] | None = None

    @classmethod
    def of(cls, mask: Pixels, decode: Callable[[], Labels]) -> "Mask":
        """The mask with a function that separates its cells."""
        own = np.asarray(mask).view(cls)
        own._decode = decode
        return own

    @cached_property
    def cells(self) -> Labels:
        """The cells (Y, X) int32: 0 for background, ids from 1 in the order of first pixels; for a whole mask only."""
        if self._decode is None:
            raise AttributeError(
                "only the mask that a Segmenter returned has cells, no part or copy of it; take them from it"
            )
        return self._decode()

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What NumPy computes from a mask is a plain array or number."""
        return array[()] if return_scalar else np.asarray(array)


class Segmenter:
    """A network with the bundle's preprocessing, windows, head and threshold. Not for several threads at once.

    The bundle's `preprocessing` prepares a small image as a whole and a large one part by part; all later steps are the
    same: windows, blending, the image's own grid, maps, mask. The weights of the network may be loaded later.
    """

    def __init__(
        self,
        network: nn.Module,
        inferer: WindowInferer,
        preprocessing: Compose,
        head: Head,
        threshold: float,
        device: torch.device,
        cells: CellDecoder | None = None,
    ) -> None:
        self.network, self.inferer, self.preprocessing = network, inferer, preprocessing
        self.head, self.threshold, self.device = head, threshold, device
        self.decoder = cells or CellDecoder(head.channels)

    def __call__(self, image: ImageLike) -> Mask:
        """The mask (Y, X) bool of an image, with its `cells`; a DataError if it is not one grey plane."""
        sample = self.prepare(image)
        maps = self.maps_of(image_of(sample))
        mask: Pixels = self.mask_of(maps)[0].numpy()
        own = {OWN: sample.get(OWN, {})}  # a mask must not keep the pixels of its image in memory
        return Mask.of(mask, partial(self.cells_of, own, mask, maps))

    def maps(self, image: ImageLike) -> dict[str, Pixels]:
        """The maps (Y, X) float32 in [0, 1] of an image by channel; errors as for the mask."""
        return self.name_maps(self.maps_of(image_of(self.prepare(image))))

    def cells_of(self, sample: Mapping[str, Any], mask: Pixels, maps: torch.Tensor) -> Labels:
        """The cells (Y, X), ids from 1, of the mask (Y, X) bool and maps (C, Y, X) of a preprocessed sample."""
        return self.decoder.adapted(sample.get(OWN, {}))(mask, self.name_maps(maps))

    def name_maps(self, maps: torch.Tensor) -> dict[str, Pixels]:
        """Maps (C, Y, X) as planes (Y, X) by channel."""
        return dict(zip(self.head.channels, maps.cpu().numpy(), strict=True))

    def prepare(self, image: ImageLike) -> Mapping[str, Any]:
        """The sample that the bundle's preprocessing makes of an image; errors as for the mask."""
        try:
            if isinstance(image, Mapping):
                sample: Mapping[str, Any] = self.preprocessing(dict(image))
            elif isinstance(image, np.ndarray):
                steps = [step for step in self.preprocessing.transforms if not isinstance(step, LoadImaged)]
                sample = Compose(steps)({NAME: str(ARRAY), IMAGE: _to_loaded(to_image(image, ARRAY))})
            else:
                sample = self.preprocessing({NAME: Path(image).stem, IMAGE: str(image)})
        except Exception as error:
            known = find_user_error(error)  # MONAI wraps it
            if known is None:
                raise
            raise known from None
        return sample

    def logits_of(self, image: PreparedImage) -> torch.Tensor:
        """Logits (C, Y, X) float32 of an image in memory, on its own grid and on the network's device."""
        with eval_mode(self.network):
            return restore_grid(self.inferer.whole(image, self.network, self.device), image.grid)

    def maps_of(self, image: PreparedImage) -> torch.Tensor:
        """Maps (C, Y, X) float32 in [0, 1] of an image in memory, on its own grid, on the CPU."""
        return self.head.to_maps(self.logits_of(image)).cpu()

    def mask_of(self, maps: torch.Tensor) -> torch.Tensor:
        """The mask (1, Y, X) bool of maps (C, Y, X)."""
        return self.head.to_mask(maps, self.threshold)

    def bands(
        self, image: PreparedImage, top: int, bottom: int, advance: Callable[[int], None] = lambda _: None
    ) -> Generator[Block, None, None]:
        """Maps of rows [top, bottom) of a large image, each pixel once: (row, column, maps (C, y, x) float32 in [0, 1]).

        The rows are those of the image's own grid. Each block comes as soon as no later window changes it; `advance` is
        called with the number of windows that are done.

        Raises:
            DataError: a part cannot be read.
            TooLargeError: the smallest windows do not fit into memory.
        """
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
        return len(self.inferer.blender(image.shape, band).windows())


def open_segmenter(bundle: str | Path, settings: Mapping[str, Any] | None = None) -> Segmenter:
    """The segmenter of a trained bundle, with other settings if some are given; its masks are those of `predict`.

    Raises a LiveCellError if the folder is no bundle, or its weights do not fit.
    """
    opened = open_bundle(bundle, ["inference"], {**(settings or {}), "show_progress": False})
    opened.network  # noqa: B018  loads the weights into the network of the segmenter
    return opened.segmenter


def _to_loaded(pixels: Pixels) -> MetaTensor:
    """Grey values (Y, X) in the form that `LoadImaged` gives those of a file."""
    meta = {
        "filename_or_obj": str(ARRAY),
        "pixel_size_um": np.full(2, np.nan),
        "spatial_shape": np.array(pixels.shape),
        "original_channel_dim": float("nan"),
    }
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)), meta=meta)


def _restore(block: Block, restore: PartialRestore, context: Context, band: tuple[int, int]) -> Block | None:
    """The part of a block at the working scale that it determines on the image's own grid; None if there is none."""
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
