"""Transforms that MONAI lacks. Array transforms and their dictionary twins take (C, Y, X), batches are (B, C, Y, X)."""

from livecell_monai.transforms.appearance import Appearance
from livecell_monai.transforms.described import DescribedStepsd
from livecell_monai.transforms.intensity import IntensityScale, NormaliseContrast, NormaliseContrastd
from livecell_monai.transforms.obstacles import Obstacles
from livecell_monai.transforms.parts import PartialResize, PartialRestore
from livecell_monai.transforms.patches import Warp, draw_patches
from livecell_monai.transforms.reader import PlaneReader
from livecell_monai.transforms.scale import CropRegiond, ResizeToScaled, restore_grid
from livecell_monai.transforms.targets import DeriveTargetd

__all__ = [
    "Appearance",
    "CropRegiond",
    "DeriveTargetd",
    "DescribedStepsd",
    "IntensityScale",
    "NormaliseContrast",
    "NormaliseContrastd",
    "Obstacles",
    "PartialResize",
    "PartialRestore",
    "PlaneReader",
    "ResizeToScaled",
    "Warp",
    "draw_patches",
    "restore_grid",
]
