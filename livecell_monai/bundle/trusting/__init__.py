"""A bundle that may be foreign, looked at before MONAI sees it: its YAML can name any function of Python.

`reading` parses YAML and JSON within bounds, as plain values that know their lines; `known` tells what the templates of
livecell have ever said; `checking` refuses a bundle that says anything else outside its settings.
"""

from livecell_monai.bundle.trusting.checking import check_foreign, check_links
from livecell_monai.bundle.trusting.known import EITHER, PATHS, is_plain
from livecell_monai.bundle.trusting.reading import read_plain

__all__ = ["EITHER", "PATHS", "check_foreign", "check_links", "is_plain", "read_plain"]
