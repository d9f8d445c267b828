"""Programs are taken apart and joined again without changing what they compute."""

import numpy as np
import pytest
from offline_worlds import FOREIGN, LEGS, run

from reward_synth.propose.offline.cut import CutError, cut
from reward_synth.propose.offline.pieces import Piece, fresh_name, join, rename

HEAD = 'WEIGHTS = {"a": 2.0, "b": 0.5}\n\n\ndef reward(state, action, next_state, w):\n'
SUMMED = "    return sum(terms.values()), terms\n"


def program(*lines, end=SUMMED):
    return HEAD + "".join(f"    {line}\n" for line in lines) + end


@pytest.mark.parametrize(
    "source",
    [
        FOREIGN,
        program('terms = {"a": w["a"] * jnp.sum(action), "b": -w["b"]}'),
        program('terms = dict(a=w["a"], b=w["b"] * action[0])'),
        program("terms = {}", 'terms["a"] = w["a"] * action[0]', "terms['b'] = 1.0"),
        program(
            'a = w["a"] * action[0]',
            'b = w["b"] * action[1] ** 2',
            end='    return a - (b - a), {"a": a, "b": b}\n',
        ),
        program(
            "up = action[0]",
            "up = jnp.tanh(up)",
            "low, high = jnp.minimum(up, 0.0), jnp.maximum(up, 0.0)",
            'terms = {"a": w["a"] * low, "b": w["b"] * high}',
            "total = sum(terms.values())",
            end="    return total, terms\n",
        ),
        program(
            'a = w["a"] * action[0]',
            "gate = jnp.exp(-jnp.sum(action**2))",
            end='    return a * gate, {"a": a, "gate": gate}\n',
        ),
        program(
            'terms = {"a": w["a"]}',
            "total = 0.0",
            "for i in range(3):",
            "    part = action[i]",
            'terms["b"] = part',
            end='    return terms["a"] + terms["b"], terms\n',
        ),
    ],
)
def test_pieces_add_up_to_the_program(source):
    joined = join("", cut(source))
    for seed in range(5):
        total, terms = run(joined, LEGS, seed)
        assert total == pytest.approx(run(source, LEGS, seed)[0])
        assert total == pytest.approx(sum(terms.values()))


def test_a_piece_brings_all_that_it_depends_on_and_nothing_else():
    pace, level, calm = cut(FOREIGN)
    assert [piece.name for piece in (pace, level, calm)] == ["pace", "level", "calm"]
    assert [helper.split("(")[0] for helper in pace.helpers] == ["def bounded"]
    assert level.helpers == ("COMFORT = 0.35",)
    assert dict(pace.weights) == {"pace": 1.2, "limit": 2.0}
    assert np.isfinite(run(join("", [level]), LEGS)[0])


def test_names_that_clash_are_told_apart():
    first = Piece("a", ("x = action[0]",), 'w["k"] * x', (("k", 1.0),))
    second = Piece("b", ("x = action[1]", "y = 2 * x"), 'w["k"] * y', (("k", 3.0),))
    _, terms = run(join("", [first, second]), LEGS)
    (a,), (b,) = (run(join("", [piece]), LEGS)[1].values() for piece in (first, second))
    assert terms == {"a": a, "b": b}


def test_code_that_pieces_share_is_written_once():
    shared = "x = action[0]"
    pieces = [Piece("a", (shared,), "x", ()), Piece("b", (shared,), "-x", ())]
    assert join("", pieces).count(shared) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def reward(",
        "x = 1\n",
        HEAD + "    return 1.0\n",
        program("terms = {**state}"),
        program('terms = {"a": w["missing"]}'),
        program("terms = {}"),
        program('terms = {"a": 1.0}', 'terms.update({"b": 2.0})'),
        program('terms = {"a": 1.0}', "for i in range(2):", "    terms[str(i)] = 1.0"),
        program('terms = {"a": 1.0}', 'b = 2.0 * terms["a"]', 'terms["b"] = b'),
        "import os\n" + program('terms = {"a": 1.0}'),
        program("x = 1", "for i in range(3):", "    x = x + i", 'terms = {"a": x}'),
        HEAD.replace("next_state, w", "w") + '    terms = {"a": 1.0}\n' + SUMMED,
    ],
)
def test_what_cannot_be_cut_is_refused(source):
    with pytest.raises(CutError):
        cut(source)


def test_rename_keeps_the_text():
    code = 'é = x + state.x  # x stays\nf(x, w["x"])'
    assert rename(code, {"x": "y"}, {"x": "k"}) == 'é = y + state.x  # x stays\nf(y, w["k"])'


def test_fresh_name():
    assert fresh_name("a", {"b"}) == "a"
    assert fresh_name("a", {"a", "a_2"}) == "a_3"
