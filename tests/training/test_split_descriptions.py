"""Every split has its words."""

from typing import get_args

from livecell_monai.settings.training import Split
from livecell_monai.training.split_descriptions import SPLITS


def test_every_split_has_its_words():
    assert set(SPLITS) == {*get_args(Split.model_fields["split"].annotation), "given"} - {"auto"}
