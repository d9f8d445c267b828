"""The page on a phone, in the dark, without a mouse, without colours, read aloud."""

from __future__ import annotations

import pytest

from tests.extras.label.conftest import press, ready, settle, until
from tests.extras.label.serving import served
from tests.label.labelled_run import begin, said

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

# The ratio of contrast of an element's text with what lies behind it (WCAG 2.2, 1.4.3).
CONTRAST = """(selector) => {
  const parts = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const line = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * line(r) + 0.7152 * line(g) + 0.0722 * line(b);
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parts(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll(selector)]
    .filter((element) => element.offsetParent && element.textContent.trim())
    .map((element) => {
      const [one, other] = [parts(getComputedStyle(element).color), behind(element)]
        .map(light).sort((a, b) => b - a);
      return (one + 0.05) / (other + 0.05);
    });
}"""


@pytest.mark.parametrize("candidates", [2, 6])
def test_a_phone_needs_no_scrolling_to_answer(tmp_path, open_page, candidates):
    strategy = "evolve" if candidates == 2 else "icpl"
    run = begin(tmp_path / "run", candidates, strategy=strategy)
    with served(run) as address:
        page = open_page(address, **PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        for part in ("#clips video", "#answers button"):
            for place in range(page.locator(part).count()):
                box = page.locator(part).nth(place).bounding_box()
                assert 0 <= box["x"] < box["x"] + box["width"] <= 390
                assert 0 <= box["y"] < 844
        for place in range(page.locator("#answers button").count()):
            box = page.locator("#answers button").nth(place).bounding_box()
            assert box["y"] + box["height"] <= 844
            assert box["height"] >= 32
        page.tap("#answers .choice >> nth=0")
        settle(page)
        page.close()  # before its server
    assert len(said(run)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_light_and_dark(address, open_page, scheme):
    page = open_page(address, color_scheme=scheme)
    page.wait_for_selector("#run-best p")
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (paper == "rgb(22, 24, 28)") == (scheme == "dark")
    ratios = page.evaluate(
        CONTRAST, "p, h1, h2, h3, button, kbd, label, select, th, td, figcaption"
    )
    assert len(ratios) > 15
    assert min(ratios) >= 4.5


def test_everything_has_a_name(address, open_page):
    page = open_page(address)
    page.click("#mark-open")
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select, progress, video, svg.tree')]"
        ".filter((e) => e.offsetParent || e.closest('svg')).filter((e) => !e.ariaLabel"
        " && !e.labels?.length && !e.textContent.trim()).map((e) => e.outerHTML)"
    )
    assert nameless == []
    assert page.get_by_role("button", name="A is better").count() == 1
    assert page.get_by_label("Clip A", exact=True).count() == 1
    assert page.locator("[role=status][aria-live=polite]").count() == 1
    assert page.locator("html[lang=en]").count() == 1
    assert page.evaluate("document.querySelectorAll('h1').length") == 1


def test_no_mouse_is_needed(address, run, open_page):
    page = open_page(address, "")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    ready(page)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert {"play", "seek", "speed", "mark-open", "words-text", "words-about"} <= reached
    assert any("A is better" in text for text in reached)
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("ArrowLeft")  # read, not pressed
    page.keyboard.press("Escape")
    page.focus("#answers .tie")
    page.keyboard.press("Space")  # presses the button, and does not pause
    settle(page)
    (kept,) = said(run)
    assert kept.answer == ()
    ready(page)
    page.keyboard.press("Space")  # the focus is where it was
    settle(page)
    assert len(said(run)) == 2
    assert page.get_attribute("#play", "aria-label") == "Pause"


def test_the_focus_stays_with_who_answers_at_a_glance(address, run, open_page):
    # The next question is waited for.
    page = open_page(address, faults=True, routes={"**/ahead*": lambda route: route.abort()})
    page.focus("#answers .tie")
    for answers in (1, 2, 3):
        page.keyboard.press("Space")
        settle(page)
        ready(page)
        assert len(said(run)) == answers


def test_good_and_bad_differ_by_more_than_colour(address, open_page):
    page = open_page(address)
    for merit in ("1", "-1"):
        page.click("#mark-open")
        page.check(f"input[name=merit][value='{merit}']")
        page.keyboard.press("Enter")
    page.wait_for_selector(".stretch.bad")
    assert page.inner_text(".stretch.good") == "+"
    assert page.inner_text(".stretch.bad") == "−"  # noqa: RUF001 (a minus sign is meant)
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.stretch.bad')).backgroundImage"
    ).startswith("repeating-linear-gradient")


def test_whoever_wants_less_motion_starts_the_videos(address, open_page):
    page = open_page(address, reduced_motion="reduce")
    page.wait_for_timeout(300)
    assert page.evaluate("[...document.querySelectorAll('#clips video')].every((v) => v.paused)")
    page.keyboard.press("Space")
    until(page, "[...document.querySelectorAll('#clips video')].every((v) => v.currentTime > 0.1)")
    press(page, "ArrowLeft")
