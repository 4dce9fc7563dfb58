"""From the training data to the values of settings that are left on `auto`. No torch here: plain arrays and numbers."""

from livecell_monai.plan.ranges import refuse_out_of_range
from livecell_monai.plan.schedule import choose_lr_step
from livecell_monai.plan.weights import choose_pos_weight

__all__ = ["choose_lr_step", "choose_pos_weight", "refuse_out_of_range"]
