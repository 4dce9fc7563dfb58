"""The page of a movie with tracks, parsed as HTML, also with markup in names."""

import numpy as np
import pytest

from livecell_monai.report.lineage_tree import draw_tree, lay_out
from livecell_monai.report.motion import draw_growth, draw_rose, draw_speeds
from livecell_monai.report.track_page import TrackPage, describe_drift, write_track_page
from livecell_monai.tracks.growth import fit_growth
from livecell_monai.tracks.lineages import describe_lineages
from livecell_monai.tracks.tracks import Limit
from tests.report.test_comparison_page import NASTY, Page
from tests.support.track_worlds import FRAMES, some_tracks

TIMES = [float(frame) for frame in range(FRAMES)]


def page_of(tracks, folder, most_rows=200):
    lineages, growth, layout = describe_lineages(tracks), fit_growth(tracks), lay_out(tracks, most_rows)
    charts = {
        "growth": draw_growth(tracks, growth, TIMES, "frame"),
        "speeds": draw_speeds(tracks, lineages),
        "rose": draw_rose(lineages),
        "tree": draw_tree(tracks, layout, TIMES, "frame"),
    }
    write_track_page(folder / "report.html", TrackPage(tracks, lineages, growth, layout, charts))
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_stands_alone_and_embeds_its_pictures(tmp_path):
    (tmp_path / "movie.gif").write_bytes(b"GIF89a")
    (tmp_path / "frame_last.png").write_bytes(b"\x89PNG")
    page = Page(page_of(some_tracks(), tmp_path))
    sources = [value for tag, name, value in page.attributes if name == "src"]
    assert len(sources) == 6
    assert all(source.startswith("data:image/") for source in sources)
    assert not [value for tag, name, value in page.attributes if name == "href" and not value.startswith("#")]
    assert "script" not in page.tags


def test_captions_say_what_is_seen_with_its_unit(tmp_path):
    for name in ("movie.gif", "frame_first.png"):
        (tmp_path / name).write_bytes(b"GIF89a")
    text = page_of(some_tracks(), tmp_path)
    captions = [part.partition("</figcaption>")[0] for part in text.split("<figcaption>")[1:]]
    assert len(captions) == 6
    assert not [caption for caption in captions if ".gif" in caption or ".png" in caption]
    assert captions[0].startswith("All 6 frames, ")
    assert captions[0].endswith("A tail is the way of a cell in the last 10 frames (100 min).")
    assert captions[1] == "First frame (frame 0, after 0 min): 5 cells in a field of 24 x 32 µm."
    assert "over time in minutes" in captions[2]
    assert "in µm a minute" in captions[3]
    plain = page_of(some_tracks(interval_min=None, pixel_size_um=None), tmp_path)
    assert "First frame (frame 0): 5 cells in a field of 48 x 64 px." in plain
    assert "over time in frames" in plain
    assert "in px a frame" in plain


def test_fates_limits_and_what_is_left_out_are_named(tmp_path):
    text = page_of(some_tracks(), tmp_path, most_rows=3)
    assert "<dt>tracks: divided</dt><dd>1</dd>" in text
    assert "<dt>tracks: left the field</dt><dd>1</dd>" in text
    assert "<dt>doubling time</dt><dd>cannot tell</dd>" in text
    assert "3 smaller lineages are not drawn" in text
    assert Page(text).tables == [[["limit", "value", "reason"], ["greatest_step", "12.5 px", "measured"]]]


def test_markup_in_a_name_is_shown_as_text(tmp_path):
    text = page_of(some_tracks(name=NASTY, limits=(Limit(NASTY, 1.0, NASTY, NASTY),)), tmp_path)
    page = Page(text)
    assert "script" not in page.tags
    assert page.tables[0][1][0] == NASTY


@pytest.mark.parametrize(
    ("tracks", "warning"),
    [
        (some_tracks({}, {}), "No cell was found in this movie."),
        (
            some_tracks({1: {0: (5, 5)}}, {}, missing=(2, 4)),
            "2 frames are missing (2, 4). Tracks are linked across the gap.",
        ),
    ],
)
def test_what_the_reader_must_know_is_a_warning(tmp_path, tracks, warning):
    (found,) = Page(page_of(tracks, tmp_path)).warnings
    assert found.startswith(warning)
    assert Page(page_of(some_tracks(), tmp_path)).warnings == []


def test_the_drift_is_described_where_there_is_one():
    assert describe_drift(some_tracks()).startswith("No drift")
    drift = np.zeros((FRAMES, 2))
    drift[4] = -3, 4
    text = describe_drift(some_tracks(drift=drift))
    assert "up to 5.0 px" in text
    assert "-3.0 px in rows and +4.0 px in columns in frame 4" in text
    assert "without that drift" in text
