"""The README of a package says what goes in and out, and how well it agrees with the bundle."""

from dataclasses import replace

import pytest

from livecell_monai.packaging.readme import render_readme


def test_says_what_a_user_needs(facts):
    text = render_readme(facts)
    assert text.startswith("# livecell U-Net tiny\n")
    assert "Channels: 0 `foreground`, 1 `distance`." in text
    assert "Mask: `foreground` of at least 0.5." in text
    assert "## Validation" in text
    assert "at IoU 0.9996" in text
    assert "watershed" in text
    assert "{" not in text


def test_without_a_distance_there_is_no_watershed(facts):
    assert "watershed" not in render_readme(replace(facts, channels=("foreground",)))


def test_needs_the_measured_parity(facts):
    with pytest.raises(ValueError, match="must be measured first"):
        render_readme(replace(facts, parity=None))
