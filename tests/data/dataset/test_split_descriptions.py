"""Every split has its words."""

from typing import get_args

from livecell_monai.data.dataset.split_descriptions import SPLITS
from livecell_monai.settings.training import Split


def test_every_split_has_its_words():
    assert set(SPLITS) == {*get_args(Split.model_fields["split"].annotation), "given"} - {"auto"}
