"""What MONAI has no transform for: reading one plane, keeping to a region, working at another size and coming back.

Array transforms and their dictionary twins take (C, Y, X); the reader gives (Y, X) to `LoadImaged`.
"""

from livecell_monai.transforms.reader import PlaneReader
from livecell_monai.transforms.region import CropRegiond
from livecell_monai.transforms.working import ResizeToWorkingd, RestoreGridd

__all__ = ["CropRegiond", "PlaneReader", "ResizeToWorkingd", "RestoreGridd"]
