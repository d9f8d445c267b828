"""Videos on the page: they play together, slowly, and where they are wanted; stretches of them."""

from __future__ import annotations

import pytest

from reward_synth.feedback.annotations import Kind, standing
from tests.extras.label.conftest import ready, settle, shown, until
from tests.label.labelled_run import SECONDS, said

TIMES = "[...document.querySelectorAll('#clips video')].map((video) => video.currentTime)"
ALL = "[...document.querySelectorAll('#clips video')].every"


def test_videos_play_together_and_begin_anew(address, open_page):
    page = open_page(address)
    until(page, f"{ALL}((video) => !video.paused && video.currentTime > 0.3)")
    assert page.evaluate(f"{ALL}((video) => video.muted && video.videoWidth === 128)")
    most, apart, turns, before = 0.0, [], 0, 0.0
    for _ in range(60):
        one, other = page.evaluate(TIMES)
        apart.append(abs(one - other))
        turns += one < before - 0.5
        most, before = max(most, one), one
        page.wait_for_timeout(50)
    assert most > 0.7 * SECONDS
    assert turns >= 1
    assert sorted(apart)[len(apart) // 2] < 0.15


def test_videos_pause_step_and_slow_down(address, open_page):
    page = open_page(address)
    page.keyboard.press("Space")
    until(page, f"{ALL}((video) => video.paused)")
    page.evaluate("document.querySelectorAll('#clips video').forEach((v) => v.currentTime = 0.5)")
    page.keyboard.press(".")
    page.keyboard.press(".")
    until(page, f"{ALL}((video) => Math.abs(video.currentTime - 0.5667) < 0.01)")
    page.click("#back")
    until(page, f"{ALL}((video) => Math.abs(video.currentTime - 0.5333) < 0.01)")
    page.keyboard.press("m")
    page.keyboard.press("m")
    assert page.evaluate(f"{ALL}((video) => video.playbackRate === 0.25)")
    assert page.inner_text("#speed").startswith("¼")
    page.click("#play")
    until(page, f"{ALL}((video) => !video.paused)")


def test_slow_motion_stays_from_question_to_question(address, open_page):
    page = open_page(address)
    page.keyboard.press("m")
    before = shown(page)
    page.keyboard.press("ArrowLeft")
    until(
        page,
        "(id) => !document.querySelector(`#clips video[src*='${id}']`)"
        " || document.querySelectorAll('#clips video').length === 2",
        arg=before[0],
    )
    ready(page)
    assert page.evaluate(f"{ALL}((video) => video.playbackRate === 0.5)")


def test_videos_are_scrubbed_together(address, open_page):
    page = open_page(address)
    page.evaluate(
        "() => { const seek = document.getElementById('seek');"
        " seek.value = 0.7; seek.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    until(page, f"{ALL}((video) => Math.abs(video.currentTime - 0.7) < 0.05)")
    page.focus("#seek")
    page.keyboard.press("ArrowRight")  # of the slider, not an answer
    page.wait_for_timeout(100)
    assert page.inner_text("#status") == ""


def test_a_stretch_is_drawn_and_called_bad(address, run, open_page):
    page = open_page(address)
    ids = shown(page)
    box = page.locator(".strip").nth(1).bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 5, steps=3)
    page.mouse.up()
    page.fill("#mark-category", "flailing")
    page.fill("#mark-text", "both arms")
    page.keyboard.press("Enter")
    page.wait_for_selector(".clip:nth-child(2) .stretch.bad")
    settle(page)
    (kept,) = said(run)
    assert kept.kind is Kind.SEGMENT
    assert (kept.value, kept.category, kept.text) == (-1.0, "flailing", "both arms")
    (clip,) = kept.shown
    assert clip.candidate == ids[1]
    assert clip.begin == pytest.approx(0.25 * SECONDS, abs=0.11)
    assert clip.end == pytest.approx(0.75 * SECONDS, abs=0.11)
    page.reload()
    ready(page)
    page.wait_for_selector(".clip:nth-child(2) .stretch.bad")
    assert "flailing: both arms" in page.inner_text(".clip:nth-child(2) figcaption")
    page.keyboard.press("u")
    page.wait_for_selector(".stretch", state="detached")
    settle(page)
    assert standing(said(run)) == ()


def test_a_stretch_is_marked_by_keys_alone(address, run, open_page):
    page = open_page(address)
    ids = shown(page)
    page.keyboard.press("Space")
    page.keyboard.press("c")
    page.evaluate("document.querySelectorAll('#clips video').forEach((v) => v.currentTime = 0.2)")
    until(page, f"{ALL}((video) => !video.seeking)")
    page.keyboard.press("[")
    page.keyboard.press("l")
    until(page, f"{ALL}((video) => video.currentTime > 0.69 && !video.seeking)")
    page.keyboard.press("]")
    page.keyboard.type("steady")
    page.keyboard.press("ArrowLeft")  # moves the caret, and answers nothing
    page.check("input[name=merit][value='1']")
    page.keyboard.press("Enter")
    page.wait_for_selector(".stretch.good")
    settle(page)
    (kept,) = said(run)
    assert kept.value == 1.0
    assert kept.category == "steady"
    assert (kept.shown[0].candidate, kept.shown[0].begin, kept.shown[0].end) == (ids[1], 0.2, 0.7)
    page.keyboard.press("[")
    page.keyboard.press("]")
    page.keyboard.press("Escape")
    assert page.locator("#mark").is_hidden()


def test_a_stretch_that_ends_before_it_begins_is_not_taken(address, run, open_page):
    page = open_page(address)
    page.click("#mark-open")
    page.fill("#mark-begin", "1")
    page.fill("#mark-end", "0.5")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert page.locator("#mark").is_visible()
    assert said(run) == []


def test_words_are_about_a_clip_or_about_the_task(address, run, open_page):
    page = open_page(address)
    ids = shown(page)
    for about, words in (("1", "The left leg drags."), ("task", "Arms should not flail.")):
        page.select_option("#words-about", about)
        page.fill("#words-text", words)
        page.keyboard.press("Enter")
    settle(page)
    kept = said(run)
    assert [(one.kind, one.candidates, one.text) for one in kept] == [
        (Kind.TEXT, (ids[1],), "The left leg drags."),
        (Kind.TEXT, (), "Arms should not flail."),
    ]
    assert "The left leg drags." in page.inner_text(".clip:nth-child(2) figcaption")
