import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_synth.records import Rejection, RewardProgram, Stage
from reward_synth.reward.parse import parse, parse_source

PROGRAM = '''"""Being near pays.

Effort costs.
"""
WEIGHTS = {"near": 1.0, "effort": -0.01}


def reward(state, action, next_state, w):
    terms = {"near": w["near"] * next_state.x, "effort": w["effort"] * jnp.sum(action**2)}
    return sum(terms.values()), terms
'''
SNIPPET = "x = jnp.exp(-error)\n"
EXPECTED = RewardProgram(
    PROGRAM, "Being near pays.\n\nEffort costs.", (("near", 1.0), ("effort", -0.01))
)


def fenced(source, tag="python", fence="```"):
    return f"{fence}{tag}\n{source}{fence}\n"


def reason(result):
    assert isinstance(result, Rejection), result
    assert result.stage is Stage.PARSE
    result.reason.encode()
    return result.reason


@pytest.mark.parametrize(
    "answer",
    [
        fenced(PROGRAM),
        fenced(PROGRAM, "py"),
        fenced(PROGRAM, "Python3 title=reward.py"),
        fenced(PROGRAM, ""),
        fenced(PROGRAM, " python"),
        fenced(PROGRAM, fence="~~~"),
        fenced(PROGRAM, fence="`````"),
        PROGRAM,
        f"\n\n{PROGRAM}\n\n",
        f"I think so.\n\n{fenced(PROGRAM)}\nThat is it.",
        f"First\n{fenced(SNIPPET)}\nthen\n{fenced(PROGRAM)}\nand use it as\n{fenced(SNIPPET)}",
        f"{fenced(PROGRAM)}The function alone:\n{fenced(PROGRAM[PROGRAM.index('def') :])}",
        f"{fenced(PROGRAM.replace('near', 'far'))}Better:\n{fenced(PROGRAM)}",
        f"1. So:\n\n{textwrap.indent(fenced(PROGRAM), '   ')}\n2. Done.",
        f"````markdown\nAs a file:\n{fenced(PROGRAM)}````\n",
        f"```\nno end\n{fenced(PROGRAM)}",
        fenced(PROGRAM).replace("\n", "\r\n"),
        fenced(PROGRAM).replace("\n", "\r"),
        f"<think>{fenced(PROGRAM.replace('near', 'far'))}</think>\n{fenced(PROGRAM)}",
        f"{fenced(SNIPPET)} hm\n</think>\n\n{fenced(PROGRAM)}",
        f"```python\n{PROGRAM}",
        f"```python\nimport jax\nimport jax.numpy as jnp  # as always\n\n{PROGRAM}```",
        f"\ufeff{PROGRAM}",
    ],
)
def test_the_program_is_found(answer):
    assert parse(answer) == EXPECTED


def test_a_form_feed_or_a_line_separator_ends_no_line():
    source = PROGRAM.replace("costs.", "costs \x0c and \u2028 more.")
    program = parse(fenced(source))
    assert isinstance(program, RewardProgram)
    assert program.source == source


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("<think>It could be", "ends inside <think>"),
        ("I cannot do that.", "no code block"),
        (fenced(SNIPPET), "no `def reward(state, action, next_state, w):`"),
        (fenced(SNIPPET) * 3, "none of the answer's 3 code blocks"),
        (f"Here it is:\n{PROGRAM}", "as a whole it is not a program: line 1 (`Here it is:`)"),
        (fenced(PROGRAM)[:-60], "seems cut off"),
        (f"{fenced(PROGRAM)}Better:\n```python\n{PROGRAM[:-20]}", "seems cut off"),
        ("So:\n```python\nWEIGHTS = {", "seems cut off"),
    ],
)
def test_an_answer_without_a_program(answer, words):
    assert words in reason(parse(answer))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("def reward", "def score", "there is no `def reward("),
        ("def reward", "async def reward", "must begin with exactly `def reward("),
        ("next_state, w)", "next_state)", "must begin with exactly"),
        ("next_state, w)", "next_state, weights)", "must begin with exactly"),
        ("next_state, w)", "next_state, w, k)", "must begin with exactly"),
        ("next_state, w)", "next_state, w=None)", "must begin with exactly"),
        ("next_state, w)", "next_state, *, w)", "must begin with exactly"),
        ("next_state, w)", "next_state, /, w)", "must begin with exactly"),
        ("next_state, w)", "next_state, w, *rest)", "must begin with exactly"),
        ("def reward", "def reward(x): pass\n\ndef reward", "defined 2 times"),
        ("WEIGHTS", "WEIGHT", "there is no WEIGHTS"),
        ("WEIGHTS", "WEIGHTS = {}\nWEIGHTS", "assigned 2 times"),
        ("WEIGHTS", "A = WEIGHTS", "one written-out table"),
        ("WEIGHTS =", "WEIGHTS: dict =", "one written-out table"),
        ('{"near": 1.0, "effort": -0.01}', "dict(near=1.0)", "one written-out table"),
        ('"effort": -0.01', "**MORE", "short written-out string"),
        ('"effort": -0.01', "1: 2.0", "short written-out string"),
        ('"effort": -0.01', '"\\ud800": 2.0', "short written-out string"),
        ('"effort": -0.01', '"near": 2.0', "the key 'near' twice"),
        ("-0.01", "True", "WEIGHTS['effort'] must be a plain finite number"),
        ("-0.01", "'1'", "must be a plain finite number"),
        ("-0.01", "1e999", "must be a plain finite number"),
        ("-0.01", "0x" + "f" * 999, "must be a plain finite number"),
        ("-0.01", "9" * 9999, "not valid Python"),
        ("-0.01", "1j", "must be a plain finite number"),
        ("-0.01", "0.1 * 2", "must be a plain finite number"),
        ("terms = {", "terms = = {", "line 9 (`terms = = {"),
        ("Being", "\ud800", "not text"),
        ("Being", "\0", "not valid Python"),
        ("    terms = {", "\tif x:\n    terms = {", "line 10"),
    ],
)
def test_a_source_that_is_no_program(old, new, words):
    source = PROGRAM.replace(old, new, 1)
    assert source != PROGRAM
    assert words in reason(parse_source(source))
    assert words in reason(parse(fenced(source)))


def test_the_reason_quotes_the_line():
    source = PROGRAM.replace("-0.01", "1 / 3")
    quoted = 'line 5 (`WEIGHTS = {"near": 1.0, "effort": 1 / 3}`): WEIGHTS['
    assert reason(parse_source(source)).startswith(quoted)


def test_only_harmless_imports_at_the_top_are_dropped():
    body = PROGRAM[PROGRAM.index("WEIGHTS") :]
    docstring = PROGRAM[: PROGRAM.index("WEIGHTS")]
    imports = "import jax\nfrom jax import numpy as jnp\n"
    assert parse_source(imports + PROGRAM) == EXPECTED
    assert parse_source(docstring + imports + body) == EXPECTED
    for kept in (
        "import numpy as np\n" + PROGRAM,
        "import jax.numpy\n" + PROGRAM,
        "import jax; import os\n" + PROGRAM,
        PROGRAM + "\nimport jax\n",
    ):
        program = parse_source(kept)
        assert isinstance(program, RewardProgram)
        assert program.source == kept


def test_a_program_without_weights_or_docstring():
    program = parse_source(
        "WEIGHTS = {}\ndef reward(state, action, next_state, w):\n  return 0, {}"
    )
    assert isinstance(program, RewardProgram)
    assert (program.rationale, program.weights) == ("", ())


def test_a_strange_escape_in_a_docstring_is_nobodys_problem():
    assert isinstance(parse_source(PROGRAM.replace("Being", "\\d \\ud800")), RewardProgram)


BODY = "WEIGHTS = {{}}\ndef reward(state, action, next_state, w):\n  return {}\n"


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 9000 + ")" * 9000,
        "[" * 150 + "]" * 150,
        "-" * 9000 + "1",
        "not " * 4000 + "1",
        "x" + ".x" * 9000,
        "x" + "()" * 9000,
        "x" + "[0]" * 6000,
        "1" + "+1" * 9000,
        "1" + "**1" * 6000,
        "lambda:" * 2500 + "1",
        "x if x else " * 1600 + "x",
        "f'{" * 200,
    ],
)
def test_deep_nesting_is_survived(expression):
    result = parse_source(BODY.format(expression))
    assert isinstance(result, RewardProgram) or "line" in reason(result) or "deep" in result.reason


def test_long_answers_are_read():
    """Each would take hours if the search for fences were quadratic."""
    assert "the limit is 20,000" in reason(parse(fenced(PROGRAM + "#" * 5_000_000 + "\n")))
    assert "the limit is 20,000" in reason(parse_source(PROGRAM + "# x\n" * 1_000_000))
    assert parse("la " * 1_600_000 + "\n" + fenced(PROGRAM)) == EXPECTED
    assert parse(fenced(SNIPPET) * 50_000 + fenced(PROGRAM)) == EXPECTED
    reason(parse(fenced("def reward(): (\n") * 50_000))
    for hostile in ("```" + " " * 2_000_000 + "`", "~" * 2_000_000 + "`", " " * 2_000_000 + "x"):
        assert parse(f"{hostile}\n{fenced(PROGRAM)}") == EXPECTED


PIECES = st.sampled_from(
    [
        *("```", "```python\n", "~~~", "\n", "def reward", "(state, action, next_state, w):"),
        *("WEIGHTS", " = {", '"a": 1', "}", "<think>", "</think>", "\r", "\0", "\ud800", '"""'),
        *("import jax\n", PROGRAM, "    ", "\\", "\x0c", "\ufeff", "#"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)))
def test_nothing_raises_and_what_is_read_stays_as_it_is(text):
    for result in (parse(text), parse_source(text)):
        if isinstance(result, RewardProgram):
            assert parse_source(result.source) == result
            assert parse(fenced(result.source, fence="`" * 9)) == result
        else:
            reason(result)


PROSE = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda text: "```" not in text and "~~~" not in text and "think>" not in text
)


@settings(max_examples=100, deadline=None)
@given(
    before=PROSE, after=PROSE, tag=st.sampled_from(["python", "py", ""]), indent=st.integers(0, 3)
)
def test_a_program_is_found_in_any_prose(before, after, tag, indent):
    block = textwrap.indent(fenced(PROGRAM, tag), " " * indent)
    assert parse(f"{before}\n{block}\n{after}") == EXPECTED
