"""Values in templates: text, whatever markup they hold."""

import pytest
from jinja2 import UndefinedError

from livecell_monai.report.templates import escape, format_code, render


@pytest.mark.parametrize("text", ["set_05 (a-b).tif", "T98G", "10.5 µm"])
def test_harmless_text_is_left_readable(text):
    assert escape(text) == text


@pytest.mark.parametrize(("text", "code"), [("a_b", "`a_b`"), ("a`b", "a&#96;b"), ([1, 2], "`[1, 2]`"), ("a\nb", "`a b`")])
def test_code_font_only_for_harmless_text(text, code):
    assert format_code(text) == code


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="'kind' is undefined"):
        render("study_card.md.j2")


def test_includes_end_with_one_line_break():
    assert render("licence.md.j2").endswith("diagnostic use.\n")
