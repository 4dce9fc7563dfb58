"""The page of a movie with tracks, opened from disk in an offline browser."""

import pytest

from livecell_monai.report.movie_tracks import TrackOptions, write_tracks
from tests.report.test_page_in_browser import CHROMIUM, browser, list_messages, opened
from tests.support.page_facts import NASTY
from tests.support.track_worlds import draw_images, draw_labels, some_tracks

__all__ = ["browser"]  # the fixture
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH to open the page in"),
]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks") / "movie"
    tracks = some_tracks(name=NASTY)
    labels = draw_labels(tracks)
    write_tracks(tracks, labels, draw_images(labels), folder, TrackOptions(ctc=False, geff=False))
    return folder / "report.html"


@pytest.mark.parametrize("width", [400, 1300])
def test_the_page_shows_every_picture_without_network_or_message(browser, page_file, width):
    with opened(browser, page_file, viewport={"width": width, "height": 900}) as (page, seen):
        shown = page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
        assert shown == [True] * 8
        assert page.locator("h1").inner_text() == f"Tracks of {NASTY}"
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(too_wide)
        assert list_messages(page, seen) == []
        assert [url for url in seen["requests"] if not url.startswith(("file:", "data:"))] == []
        assert seen["dialogs"] == []
