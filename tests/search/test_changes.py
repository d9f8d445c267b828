"""What changed between two programs."""

from reward_synth.search.changes import difference
from tests.search.archives import program


def test_weights_by_name_then_lines():
    one, other = program({"a": 1.0, "b": 2.0}), program({"a": 1.5, "c": 3.0})
    lines = difference(one, other).splitlines()
    assert lines[:3] == ["weight c is new: 3", "weight b is gone", "weight a went from 1 to 1.5"]
    assert '-WEIGHTS = {"a": 1.0, "b": 2.0}' in lines
    assert any(line.startswith("+    terms = ") and '"c"' in line for line in lines)
    assert not any("return sum" in line for line in lines)


def test_nothing_is_different_but_for_words():
    one = program({"a": 1.0})
    assert difference(one, one) == ""
    assert difference(one, program({"a": 1.0}, docstring="Other words.")) == ""


def test_long_ones_are_cut():
    many = program({f"w{i}": 1.0 for i in range(30)})
    one = many.__class__("\n".join(f"x{i} = 1" for i in range(90)), "", ())
    assert difference(one, many).splitlines()[-1].startswith("... and ")
    assert len(difference(one, many).splitlines()) == 30 + 40 + 1
