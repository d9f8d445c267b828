import asyncio

import pytest

from reward_synth.errors import ModelError
from reward_synth.propose.llm.records import FailureKind
from reward_synth.propose.llm.replay import ReplayModel


@pytest.fixture
def folder(tmp_path):
    for i, text in enumerate(["zero", "one", "", "three"]):
        (tmp_path / f"{i:03}.md").write_text(text)
    (tmp_path / "notes.txt").write_text("not an answer")
    return tmp_path


def test_answers_come_in_the_order_of_their_names(folder, ask):
    model = ReplayModel(folder)
    first, second = ask(model, 2)
    empty, last = ask(model, 2)
    assert (first.text, second.text, last.text) == ("zero", "one", "three")
    assert empty.kind == FailureKind.EMPTY
    assert first.dollars == 0.0


def test_a_continued_run_skips_what_it_has_used(folder, ask):
    assert ask(ReplayModel(folder, start=3))[0].text == "three"


def test_running_out_says_how_many_there_were(folder, requests):
    delivered = {}
    with pytest.raises(ModelError) as info:
        asyncio.run(ReplayModel(folder).complete(requests(5), delivered.__setitem__))
    assert str(info.value) == (
        f"the replay folder {folder} ran out: it holds 4 answers and one more was asked for. "
        "Record more, or ask for fewer candidates."
    )
    assert sorted(delivered) == [0, 1, 2, 3]


def test_no_folder_and_no_answers(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        ReplayModel(tmp_path / "missing")
    with pytest.raises(ModelError, match="holds no answers"):
        ReplayModel(tmp_path)


def test_unreadable_answer(tmp_path, ask):
    (tmp_path / "000.md").write_bytes(b"\xff")
    with pytest.raises(ModelError, match=r"000\.md cannot be read"):
        ask(ReplayModel(tmp_path))
