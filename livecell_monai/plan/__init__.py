"""From the training data to the settings of a training. No torch here: plain arrays and numbers.

A fingerprint measures the annotated images, a plan makes settings of it, and `choose_*` find the values of those that are
left on `auto`.
"""

from livecell_monai.plan.fingerprint import Fingerprint, describe_fingerprint, measure_fingerprint
from livecell_monai.plan.image_statistics import ImageStatistics, measure_image
from livecell_monai.plan.recipe import Choice, format_plan, plan_training, write_plan
from livecell_monai.plan.schedule import choose_lr_step
from livecell_monai.plan.weights import choose_pos_weight

__all__ = [
    "Choice",
    "Fingerprint",
    "ImageStatistics",
    "choose_lr_step",
    "choose_pos_weight",
    "describe_fingerprint",
    "format_plan",
    "measure_fingerprint",
    "measure_image",
    "plan_training",
    "write_plan",
]
