"""One image at a time, by a network that stays in memory: for whoever asks again and again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from livecell_monai.bundle.open import open_bundle
from livecell_monai.errors import find_user_error
from livecell_monai.sample import IMAGE, NAME, PRED, Plane


class Segmenter:
    """The network of a bundle, ready: it finds in an image what `predict` finds, pixel for pixel. For one thread at a time.

    Args:
        bundle: the folder that training left.

    Raises:
        LiveCellError: where the folder is no bundle, or its weights do not fit.
    """

    def __init__(self, bundle: str | Path) -> None:
        opened = open_bundle(bundle, ["inference"], {"show_progress": False})
        self.network = opened.network
        self.device = opened.device
        self.preprocessing = opened.preprocessing
        self.inferer = opened.inferer
        self.postprocessing = opened.postprocessing

    def segment(self, path: Path) -> Plane:
        """The mask (Y, X) bool of an image file, with its pixel size.

        Raises:
            DataError: where the file is not one grey plane.
        """
        with _plainly():
            item = self.preprocessing({NAME: path.stem, IMAGE: str(path)})
        with torch.no_grad():
            logits = self.inferer(item[IMAGE][None].to(self.device), self.network)
            found = self.postprocessing({**item, PRED: logits[0]})[PRED]
        size = np.asarray(item[IMAGE].meta["pixel_size_um"], dtype=float)
        pixel_size = None if np.isnan(size).any() else (float(size[0]), float(size[1]))
        return Plane(np.asarray(found[0].cpu()) > 0, pixel_size)


@contextmanager
def _plainly() -> Iterator[None]:
    """Raise what the user can mend as itself, where MONAI has wrapped it."""
    try:
        yield
    except Exception as error:
        known = find_user_error(error)
        if known is None:
            raise
        raise known from None
