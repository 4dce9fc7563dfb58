"""The page, opened from disk in an offline browser."""

import shutil
from contextlib import contextmanager

import pytest

from livecell_monai.report.page import write_page
from tests.support.page_facts import NASTY, page_facts, predicted, predicted_cells

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH to open the page in"),
]
LAST = "the last message"
ROWS = "table.sortable tbody tr"


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    images = [predicted("good", shift=1), predicted("image 10", shift=6, seed=1), predicted("image 9", shift=9, seed=2)]
    images += [predicted(NASTY, shift=4, seed=3), predicted("new", labelled=False)]
    write_page(path, page_facts(predictions=images, expected=len(images)))
    return path


@pytest.fixture(scope="module")
def cell_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "report.html"
    images = [predicted_cells("good", seed=1, shift=0), predicted_cells("bad", shift=4), predicted("pixels only", shift=9)]
    images += [predicted_cells(f"strip {seed}", "validation", seed) for seed in range(3)]
    write_page(path, page_facts(predictions=images, expected=len(images)))
    return path


@contextmanager
def opened(browser, file, **options):
    """The page, and what it has done that it must not: messages, requests, dialogs."""
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    seen = {"messages": [], "requests": [], "dialogs": []}
    page.on("console", lambda message: seen["messages"].append(message.text))
    page.on("pageerror", lambda error: seen["messages"].append(str(error)))
    page.on("request", lambda request: seen["requests"].append(request.url))

    def dismiss(dialog):
        seen["dialogs"].append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.goto(file.as_uri())
    try:
        yield page, seen
    finally:
        context.close()


def list_messages(page, seen):
    """All messages of a loaded page: they arrive in order, so ours is the last. A silent network does not mean that."""
    with page.expect_console_message(lambda message: message.text == LAST):
        page.evaluate(f"console.log('{LAST}')")
    return [message for message in seen["messages"] if message != LAST]


@pytest.fixture
def page(browser, file):
    with opened(browser, file) as (page, _):
        yield page


def names(page):
    return page.locator(f"{ROWS} th").all_inner_texts()


def sort_marks(page):
    return [head.get_attribute("aria-sort") for head in page.locator("table.sortable thead th").all()]


def test_opens_without_messages_and_requests(browser, file):
    with opened(browser, file) as (page, seen):
        assert page.locator("section").count() >= 9
        broken = page.evaluate("[...document.images].filter(image => !image.naturalWidth).length")
        assert broken == 0
        assert list_messages(page, seen) == []
        assert seen["dialogs"] == []
        assert seen["requests"][0] == file.as_uri()
        assert all(url.startswith("data:") for url in seen["requests"][1:])


def test_a_forbidden_request_is_detected(browser, file, tmp_path):
    bad = tmp_path / "bad.html"
    text = file.read_text(encoding="utf-8")
    bad.write_text(text.replace("</main>", "<img src='https://example.org/a.png'></main>"), encoding="utf-8")
    with opened(browser, bad) as (page, seen):
        assert any("Content Security Policy" in message for message in list_messages(page, seen))


def test_name_with_markup_stays_text(page):
    assert NASTY in names(page)
    assert page.locator("img[onerror], img[src=x]").count() == 0


class TestOverlays:
    def test_one_switch_hides_and_shows_all(self, page):
        overlays = page.locator(".overlay")
        assert all(overlay.is_visible() for overlay in overlays.all())
        page.locator("#all").uncheck()
        assert not any(overlay.is_visible() for overlay in overlays.all())
        page.locator("#all").check()
        assert all(overlay.is_visible() for overlay in overlays.all())

    def test_a_click_on_a_picture_hides_its_own(self, page):
        pictures = page.locator(".picture")
        pictures.first.locator("img").first.click(position={"x": 60, "y": 60}, force=True)
        assert not pictures.first.locator(".overlay").is_visible()
        assert pictures.nth(1).locator(".overlay").is_visible()
        assert page.locator("#all").evaluate("box => box.indeterminate")
        assert pictures.first.locator("img").first.is_visible()

    def test_keyboard_hides_it_too(self, page):
        page.locator(".toggle").first.focus()
        page.keyboard.press("Space")
        assert not page.locator(".overlay").first.is_visible()
        page.keyboard.press("Space")
        assert page.locator(".overlay").first.is_visible()

    def test_the_slider_fades_them(self, page):
        opacity = "element => Number(getComputedStyle(element).opacity)"
        assert page.locator(".overlay").first.evaluate(opacity) == 1
        page.locator("#opacity").fill("30")
        assert page.locator(".overlay").first.evaluate(opacity) == pytest.approx(0.3)
        page.locator("#opacity").focus()
        page.keyboard.press("Home")
        assert page.locator(".overlay").first.evaluate(opacity) == 0

    def test_an_overlay_covers_its_image(self, page):
        for layers in page.locator(".layers").all():
            image, overlay = (one.bounding_box() for one in layers.locator("img").all())
            assert image == pytest.approx(overlay, abs=0.5)


class TestTable:
    def test_is_sorted_worst_first(self, page):
        assert names(page) == ["image 9", "image 10", NASTY, "good"]
        assert sort_marks(page) == ["none", "none", "ascending", *["none"] * 6]

    def test_a_click_sorts_and_another_reverses(self, page):
        head = page.locator("table.sortable thead button", has_text="recall")
        head.click()
        values = [float(text) for text in page.locator(f"{ROWS} td:nth-child(7)").all_inner_texts()]
        assert values == sorted(values)
        assert sort_marks(page).index("ascending") == 6
        head.click()
        turned = [float(text) for text in page.locator(f"{ROWS} td:nth-child(7)").all_inner_texts()]
        assert turned == values[::-1]
        assert sort_marks(page) == [*["none"] * 6, "descending", "none", "none"]

    def test_names_sort_as_numbers_by_the_keyboard(self, page):
        page.locator("table.sortable thead button").first.focus()
        page.keyboard.press("Enter")
        assert sort_marks(page)[0] == "ascending"
        order = names(page)
        assert order.index("image 9") < order.index("image 10")
        page.keyboard.press("Space")
        assert sort_marks(page)[0] == "descending"
        assert names(page) == order[::-1]

    def test_the_summary_stays_below(self, page):
        page.locator("table.sortable thead button").first.click()
        assert page.locator("table.sortable tfoot tr").count() == 1


class TestCells:
    def test_opens_without_messages_and_requests(self, browser, cell_file):
        with opened(browser, cell_file) as (page, seen):
            assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0
            assert page.locator("#errors figure").count() > 4
            assert list_messages(page, seen) == []
            assert all(url.startswith("data:") for url in seen["requests"][1:])

    def test_an_image_without_a_score_stays_last_in_both_orders(self, browser, cell_file):
        with opened(browser, cell_file) as (page, _):
            head = page.locator("table.sortable thead button", has_text="AP50")
            assert names(page)[-1] == "pixels only"
            worst = names(page)[0]
            head.click()
            assert (names(page)[0] != worst, names(page)[-1]) == (True, "pixels only")
            head.click()
            assert (names(page)[0], names(page)[-1]) == (worst, "pixels only")

    @pytest.mark.parametrize("width", [360, 1280])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_page_fits_the_width(self, browser, cell_file, width, scheme):
        with opened(browser, cell_file, viewport={"width": width, "height": 800}, color_scheme=scheme) as (page, _):
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            sides = page.evaluate("[...document.querySelectorAll('#spread img')].map(image => image.clientWidth)")
            assert min(sides) > 300  # the histograms are below each other where there is no room


def test_page_is_complete_without_script(browser, file):
    with opened(browser, file, java_script_enabled=False) as (page, _):
        assert all(overlay.is_visible() for overlay in page.locator(".overlay").all())
        assert page.locator(ROWS).count() == 4
        assert not page.locator(".controls").is_visible()
        page.locator(".toggle").first.uncheck()
        assert not page.locator(".overlay").first.is_visible()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_the_width(browser, file, width, scheme):
    with opened(browser, file, viewport={"width": width, "height": 800}, color_scheme=scheme) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        heights = page.evaluate(f"[...document.querySelectorAll('{ROWS}')].map(row => row.clientHeight)")
        assert max(heights) < 150  # no word is broken into letters
