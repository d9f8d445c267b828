"""The page in chromium: clicks, keys, and everything that comes between."""

from __future__ import annotations

import time

import pytest

from reward_synth.feedback.annotations import Kind, standing
from reward_synth.search.store import Spent, Store
from tests.extras.label.conftest import press, ready, settle, shown, until
from tests.extras.label.serving import served
from tests.label.labelled_run import begin, film, generation, said

PAIR = "#clips.n2"


def status(page):
    return page.inner_text("#status")


# ---- answers


def test_somebody_says_who_they_are_once(address, run, open_page):
    page = open_page(address, "")
    page.keyboard.type("  Ada   Lovelace ")
    page.keyboard.press("Enter")
    ready(page)
    press(page, "ArrowLeft")
    settle(page)
    assert said(run)[0].who == "Ada Lovelace"
    assert "who=Ada" in page.url
    page.goto(address)  # kept by the browser as well
    ready(page)
    assert page.inner_text("#my-name") == "Ada Lovelace"
    page.click("#rename")
    page.fill("#name-input", "Bob")
    page.click("#name button")
    ready(page)
    press(page, "ArrowLeft")
    settle(page)
    assert said(run)[1].who == "Bob"


def test_a_click_is_an_answer_and_the_next_question_comes(address, run, open_page):
    page = open_page(address)
    before = shown(page)
    page.click("text=B is better")
    until(page, "document.querySelector('#status').textContent === 'B is better.'")
    settle(page)
    (kept,) = said(run)
    assert kept.kind is Kind.PAIR
    assert list(kept.candidates) == before
    assert kept.answer == (before[1],)
    assert all(len(clip.digest) == 64 for clip in kept.shown)
    assert 0 < kept.seconds < 60
    ready(page)
    assert shown(page) != before


def test_one_key_is_an_answer(address, run, open_page):
    page = open_page(address)
    asked = [press(page, key) for key in ("ArrowLeft", "ArrowRight", "ArrowDown", "=", "s")]
    settle(page)
    kept = said(run)
    assert [list(one.candidates) for one in kept] == asked
    assert [one.kind for one in kept] == [Kind.PAIR] * 4 + [Kind.SKIP]
    answers = [one.answer for one in kept]
    assert answers == [(asked[0][0],), (asked[1][1],), (), (), ()]
    assert status(page) == "Skip." or status(page) == "Skipped."


def test_keys_that_are_held_down_answer_once(address, run, open_page):
    page = open_page(address)
    page.keyboard.down("ArrowLeft")
    for _ in range(5):
        page.keyboard.down("ArrowLeft")  # repeats
    page.keyboard.up("ArrowLeft")
    page.wait_for_timeout(300)
    settle(page)
    assert len(said(run)) == 1


def test_words_are_no_keys(address, run, open_page):
    page = open_page(address)
    page.keyboard.press("n")
    page.keyboard.type("s u = ? it jumps,")
    page.keyboard.press("ArrowLeft")
    assert page.input_value("#words-text") == "s u = ? it jumps,"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('#status').textContent === 'B is better.'")
    settle(page)
    (kept,) = said(run)
    assert kept.text == "s u = ? it jumps,"  # the reason for the answer
    assert page.input_value("#words-text") == ""


def test_an_answer_is_taken_back_and_given_anew(address, run, open_page):
    page = open_page(address)
    first = press(page, "ArrowLeft")
    second = press(page, "ArrowRight")
    for before in (second, first):
        page.keyboard.press("u")
        until(
            page,
            "(ids) => ids.every((id, i) => "
            "document.querySelectorAll('#clips video')[i]?.src.includes(id))",
            arg=before,
        )
        ready(page)
    assert status(page) == "Taken back: A is better."
    press(page, "ArrowDown")
    settle(page)
    (held,) = standing(said(run))
    assert list(held.candidates) == first
    assert held.answer == ()
    assert len(said(run)) == 5  # taking back is a record too


def test_there_may_be_nothing_to_take_back(address, open_page):
    page = open_page(address)
    page.click("#answers >> text=Undo")
    until(page, "document.querySelector('#status').textContent.includes('nothing')")


def test_the_best_of_six_and_then_the_worst(tmp_path, open_page):
    run = begin(tmp_path / "run", 6, strategy="icpl")
    with served(run) as address:
        page = open_page(address)
        assert page.inner_text("#question") == "Which does it best?"
        assert page.locator("#clips figure").count() == 6
        page.keyboard.press("ArrowDown")  # no tie among six
        page.keyboard.press("ArrowLeft")  # and no sides
        best = press(page, "3")
        until(page, "document.querySelector('#question').textContent.includes('worst')")
        worst = shown(page)
        assert set(worst) == set(best) - {best[2]}
        page.click("text=E is the worst")
        page.wait_for_selector("#nothing:visible")
        settle(page)
        page.close()  # before its server
    assert [(one.kind, one.answer) for one in said(run)] == [
        (Kind.BEST, (best[2],)),
        (Kind.WORST, (worst[4],)),
    ]


def test_what_is_skipped_is_not_asked_again_and_can_be_taken_back(tmp_path, open_page):
    run = begin(tmp_path / "run", 6, strategy="icpl")
    with served(run) as address:
        page = open_page(address)
        assert page.inner_text("#question") == "Which does it best?"
        page.keyboard.press("s")
        until(page, "document.querySelector('#question').textContent.startsWith('Nothing to ask')")
        settle(page)
        assert [one.kind for one in said(run)] == [Kind.SKIP]
        page.keyboard.press("u")
        ready(page)
        assert page.inner_text("#question") == "Which does it best?"
        page.close()  # before its server


# ---- going away and coming back


def test_the_page_is_loaded_again_in_the_middle(address, run, open_page):
    page = open_page(address)
    press(page, "ArrowLeft")
    settle(page)
    asked = shown(page)
    for _ in range(2):
        page.reload()
        ready(page)
        assert shown(page) == asked
    press(page, "ArrowRight")
    settle(page)
    assert len(said(run)) == 2


def test_two_people_have_queues_of_their_own(address, run, open_page):
    pages = {who: open_page(address, who) for who in ("Ada", "Bob")}
    for _ in range(5):
        for page in pages.values():
            press(page, "ArrowLeft")
    for who, page in pages.items():
        settle(page)
        own = [frozenset(one.candidates) for one in said(run) if one.who == who]
        assert len(own) == len(set(own)) == 5
        until(
            page,
            "(who) => document.querySelector('#people').textContent.includes(`${who}, you5`)"
            " && /% of [45]/.test(document.querySelector('#people').textContent)",
            arg=who,
        )


def test_the_next_question_does_not_wait_for_a_slow_network(address, run, open_page):
    held = []
    page = open_page(address, faults=True, routes={"**/say": lambda route: held.append(route)})
    loaded = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/clip/'))"
    until(page, f"new Set({loaded}.map((e) => e.name)).size >= 3")  # what comes next is there
    page.wait_for_timeout(300)
    page.route("**/clip/*", lambda route: (time.sleep(0.5), route.continue_()))
    before = press(page, "ArrowLeft")
    assert shown(page) != before
    assert len(held) == 1
    assert said(run) == []  # and it was not even sent
    page.unroute("**/say")
    held[0].continue_()
    press(page, "ArrowRight")
    settle(page)
    assert [one.answer[0] for one in said(run)][:1] == [before[0]]
    assert len(said(run)) == 2


def test_nothing_can_be_answered_before_it_can_be_seen(address, run, open_page):
    held = []
    page = open_page(
        address, "", faults=True, routes={"**/clip/*": lambda route: held.append(route)}
    )
    page.goto(f"{address}/?who=Ada")
    page.wait_for_selector("#answers .choice")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(200)
    assert page.locator("#answers .choice:enabled").count() == 0
    assert said(run) == []
    for route in held:
        route.continue_()
    page.unroute("**/clip/*")
    ready(page)


def test_answers_survive_a_server_that_is_away(run, open_page):
    with served(run) as address:
        port = int(address.rsplit(":", 1)[1])
        page = open_page(address, faults=True)
        page.wait_for_load_state("networkidle")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("text=1 answer is not saved yet")
    assert said(run) == []
    with served(run, port):
        until(page, "document.querySelector('#unsaved').textContent === ''")
        settle(page)
    assert len(said(run)) == 1


def test_answers_survive_a_page_that_is_closed(address, run, open_page):
    page = open_page(address, faults=True, routes={"**/say": lambda route: route.abort()})
    before = shown(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("text=not saved yet")
    page.close()
    assert said(run) == []
    page = open_page(address, context=page.context, wait=False)
    settle(page)
    assert [one.answer for one in said(run)] == [(before[0],)]


def test_a_browser_that_keeps_nothing_still_sends(address, run, open_page, browser):
    context = browser.new_context()
    context.add_init_script(
        "for (const name of ['getItem', 'setItem']) Storage.prototype[name] = () => {"
        " throw new DOMException('no', 'SecurityError'); };"
    )
    page = open_page(address, context=context)
    press(page, "ArrowLeft")
    press(page, "ArrowRight")
    until(page, "document.querySelector('#progress').innerText.includes('2 of 5')")
    assert len(said(run)) == 2


def test_an_answer_whose_receipt_was_lost_is_heard_once(address, run, open_page):
    sent = []

    def lose_the_first(route):
        sent.append(route.request.post_data_json["id"])
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page = open_page(address, faults=True, routes={"**/say": lose_the_first})
    page.keyboard.press("ArrowLeft")
    until(page, "document.querySelector('#progress-mine').textContent.includes('1 of 5')")
    settle(page)
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert [one.id for one in said(run)] == sent[:1]


# ---- the run


def test_the_run_stands_beside_it_and_goes_on(address, run, open_page):
    page = open_page(address)
    page.wait_for_selector("#run-tree svg.tree")
    assert "The run waits for 5 more comparisons." in page.inner_text("#progress")
    assert "fitness of what the run stands by" in page.inner_text("#run-best")
    page.click("#run-best a")
    page.wait_for_selector("#about[open] pre")
    assert "def reward" in page.inner_text("#about")
    page.keyboard.press("Escape")
    for _ in range(5):
        press(page, "ArrowLeft")
    until(page, "document.querySelector('#progress').innerText.includes('does not wait')")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#nothing:visible")
    assert page.inner_text("#question") == "Nothing to ask you just now"
    generation(run, 1, 2)
    ready(page)  # by itself
    until(
        page,
        "document.querySelector('#run-best').textContent.includes('6 candidates in 2 generations')",
    )


def test_after_the_search_people_are_told_that_it_has_ended(tmp_path, open_page):
    run = begin(tmp_path / "run", 2)
    with Store.open(run) as store:
        store.put("best", "g00c01")
        store.finish_job("gen_00/hear", {"upto": 0, "remarks": {}}, "asking", Spent())
    with served(run) as address:
        page = open_page(address)
        assert "The search has ended." in page.inner_text("#progress")
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("text=You have compared all that there is.")
        page.close()  # before its server


def test_enough_is_said_by_a_click(address, run, open_page):
    page = open_page(address)
    page.click("#enough")
    page.wait_for_selector("#enough", state="hidden")
    assert [one.kind for one in said(run)] == [Kind.ENOUGH]


def test_a_run_that_has_trained_nothing_yet_says_so(tmp_path, open_page):
    run = begin(tmp_path / "run", 0)
    with served(run) as address:
        page = open_page(address, wait=False)
        page.wait_for_selector("#nothing:visible")
        assert page.inner_text("#question") == "Nothing to show yet"
        generation(run, 1, 3)
        ready(page)
        page.close()  # before its server


@pytest.mark.parametrize("content", [None, b"no video", film(0)[:300] + bytes(9000)])
def test_clips_that_are_missing_or_broken_say_so_and_can_be_skipped(
    run, address, open_page, content
):
    paths = list(run.glob("gen_00/*/rollout.mp4"))
    films = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink() if content is None else path.write_bytes(content)
    page = open_page(address, wait=False, faults=True)
    page.wait_for_selector("#clips .fault:visible")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#answers .choice:enabled").count() == 0
    page.keyboard.press("s")
    until(page, "document.querySelector('#progress-mine') && true")
    settle(page)
    assert [one.kind for one in said(run)] == [Kind.SKIP]
    for path, whole in zip(paths, films, strict=True):
        path.write_bytes(whole)
    page.wait_for_selector("#clips .fault:visible")
    page.click("text=Try again >> nth=0")
    ready(page)


# ---- size


@pytest.mark.slow
def test_two_hundred_pairs_do_not_grow_slow(tmp_path, open_page):
    run = begin(tmp_path / "run", 24, answers=500)
    with served(run) as address:
        page = open_page(address)
        times = []
        for number in range(200):
            began = time.perf_counter()
            press(page, ("ArrowLeft", "ArrowRight", "ArrowDown")[number % 3])
            times.append(time.perf_counter() - began)
        settle(page)
        first, last = sorted(times[:20])[10], sorted(times[-20:])[10]
        assert last < 4 * first + 0.2
        assert page.evaluate("document.querySelectorAll('*').length") < 1000
        page.close()  # before its server
    kept = said(run)
    assert len(kept) == len({one.id for one in kept}) == 200
    assert len({frozenset(one.candidates) for one in kept}) == 200
