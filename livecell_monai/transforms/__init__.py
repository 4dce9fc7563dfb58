"""What MONAI has no transform for: planes, regions, robust grey values, scales, targets, random patches of a batch.

Array transforms and their dictionary twins take (C, Y, X); the reader gives (Y, X) to `LoadImaged`; `draw_patches` and
`Appearance` make and take batches (B, C, Y, X).
"""

from livecell_monai.transforms.appearance import Appearance
from livecell_monai.transforms.intensity import IntensityScale, NormaliseContrast, NormaliseContrastd
from livecell_monai.transforms.parts import PartialResize, PartialRestore
from livecell_monai.transforms.patches import Warp, draw_patches
from livecell_monai.transforms.reader import PlaneReader
from livecell_monai.transforms.region import CropRegiond
from livecell_monai.transforms.scale import ResizeToScaled, restore_grid
from livecell_monai.transforms.targets import DeriveTargetd

__all__ = [
    "Appearance",
    "CropRegiond",
    "DeriveTargetd",
    "IntensityScale",
    "NormaliseContrast",
    "NormaliseContrastd",
    "PartialResize",
    "PartialRestore",
    "PlaneReader",
    "ResizeToScaled",
    "Warp",
    "draw_patches",
    "restore_grid",
]
