"""The offline proposer on robots that it has never heard of."""

import ast
import dataclasses
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from offline_worlds import (
    ARM,
    DRONE,
    FOREIGN,
    LEGS,
    PENDULUM,
    WORLDS,
    program_of,
    proposed,
    run,
    source_of,
    step_of,
)

from reward_synth.content import content_folder
from reward_synth.propose import offline
from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.offline.catalogue import Catalogue, describe, write
from reward_synth.propose.offline.compose import objectives, stratified
from reward_synth.propose.offline.terms import Term
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Broken, Context, Parent
from reward_synth.records import Field, Rejection, Stage

PROPOSER = OfflineProposer()
BRIEF = Brief(Operator.INITIAL)
CONTEXT = Context(LEGS, 0, 0)
by_name = pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)


def first_terms(sources, world):
    return [Catalogue.of(world).read(source)[0].name for source in sources]


@by_name
def test_first_generation_runs_under_jax(world):
    before, after = jnp.ones((2, 5, world.state_size)) * jnp.array([0.1, 0.3])[:, None, None]
    actions = jnp.full((5, world.action_size), 0.5)
    for proposal in proposed(world, 4):
        step = step_of(source_of(proposal), world, jnp)
        total, terms = jax.vmap(lambda *args, step=step: step(*args))(before, actions, after)
        assert total.shape == (5,)
        assert np.isfinite(total).all()
        assert terms
        np.testing.assert_allclose(total, sum(terms.values()), rtol=1e-5)


@by_name
def test_same_context_gives_same_proposals(world):
    first = proposed(world, 5, seed=7)
    assert proposed(world, 5, seed=7) == first
    assert proposed(world, 5, seed=8) != first
    later = source_of(first[0]), [source_of(p) for p in first[1:]]
    assert proposed(world, 5, 7, *later) == proposed(world, 5, 7, *later)


@by_name
def test_proposals_say_where_they_come_from(world):
    for proposal in proposed(world, 3):
        assert (proposal.operator, proposal.parents) == ("initial", ())
        assert (proposal.author, proposal.problem, proposal.prompt) == ("offline", "", ())


def test_first_generation_asks_for_different_things():
    sources = [source_of(p) for p in proposed(LEGS, 8)]
    assert len(set(sources)) == 8
    assert len({ast.unparse(ast.parse(s).body[-1]) for s in sources}) == 8  # not only the numbers
    assert len(set(first_terms(sources, LEGS))) >= 3


@pytest.mark.parametrize(
    ("world", "wanted"),
    [(ARM, "mug_to_target"), (LEGS, "rightward"), (PENDULUM, "rod_inverted|upright"), (DRONE, "")],
    ids=lambda x: getattr(x, "name", x),
)
def test_what_the_sentence_says_is_likely_and_all_else_possible(world, wanted):
    factors, chances = objectives(Catalogue.of(world))
    assert chances.sum() == pytest.approx(1.0)
    assert (chances > 0).all()
    asked = sum(
        p for f, p in zip(factors, chances, strict=True) if re.match(wanted, f.measure.name)
    )
    assert asked > 0.4


def test_words_steer_the_choice():
    still = dataclasses.replace(LEGS, sentence="Stand still and keep your balance.")
    factors, chances = objectives(Catalogue.of(still))
    travel = sum(p for f, p in zip(factors, chances, strict=True) if f.measure.wish == "travel")
    assert 0.0 < travel < 0.1


def test_stratified_draws_are_in_proportion():
    chances = np.array([0.5, 0.3, 0.2])
    counts = Counter(stratified(chances, 10, np.random.default_rng(0)))
    assert all(abs(counts[i] - 10 * p) <= 1 for i, p in enumerate(chances))


def test_fields_of_unknown_units_still_give_programs():
    world = dataclasses.replace(
        PENDULUM, fields=(Field("glow", (2, 2), "lx", "lamp", "brightness", (0.0,) * 4),)
    )
    for proposal in proposed(world, 2):
        assert np.isfinite(run(source_of(proposal), world)[0])


def test_dying_does_not_pay_where_episodes_can_end():
    for seed in range(20):
        for proposal in proposed(LEGS, 4, seed):
            parts = Catalogue.of(LEGS).read(source_of(proposal))
            names = {part.name for part in parts}
            charged = any(p.penalty and p.factor.measure.wish for p in parts)
            assert not charged or "alive" in names


@by_name
def test_own_programs_are_read_back_as_terms(world):
    catalogue = Catalogue.of(world)
    for seed in range(10):
        for proposal in proposed(world, 4, seed):
            source = source_of(proposal)
            parts = catalogue.read(source)
            assert all(isinstance(part, Term) for part in parts)
            assert write(parts, describe(parts)) == source


@by_name
def test_docstring_speaks_of_every_term(world):
    catalogue = Catalogue.of(world)
    for proposal in proposed(world, 6, 3):
        source = source_of(proposal)
        said = " ".join((ast.get_docstring(ast.parse(source)) or "").lower().split())
        for part in catalogue.read(source):
            phrase = part.factor.measure.phrase
            assert ("alive" if part.name == "alive" else phrase.lower()) in said


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), world=st.sampled_from(WORLDS))
@example(seed=1668, world=DRONE)  # a product of long names
def test_descendants_are_valid(seed, world):
    sources = [source_of(p) for p in proposed(world, 3, seed)]
    for generation in range(3):
        proposals = proposed(world, 4, seed + generation, sources[0], sources[1:])
        new = [source_of(p) for p in proposals]
        assert not set(new) & set(sources)
        assert len(set(new)) == len(new)
        for source in new:
            total, terms = run(source, world, seed)
            assert np.isfinite(total)
            assert total == pytest.approx(sum(terms.values()))
            assert max(map(len, source.splitlines())) <= 120
        sources = [*new, *sources][:4]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), foreign_first=st.booleans())
def test_programs_by_other_authors_are_evolved(seed, foreign_first):
    own = source_of(proposed(LEGS, 1, seed)[0])
    ends = (FOREIGN, own) if foreign_first else (own, FOREIGN)
    for proposal in proposed(LEGS, 6, seed, ends[0], ends[1:]):
        total, terms = run(source_of(proposal), LEGS, seed)
        assert np.isfinite(total)
        assert total == pytest.approx(sum(terms.values()))


def test_operators_spread_and_name_their_parents():
    sources = [source_of(p) for p in proposed(LEGS, 3)]
    proposals = proposed(LEGS, 20, 1, sources[0], sources[1:])
    changes = Counter(proposal.operator.removeprefix("revise: ") for proposal in proposals)
    assert {"weights", "add", "reshape", "crossover", "fresh"} <= changes.keys()
    for proposal in proposals:
        change = proposal.operator.removeprefix("revise: ")
        wanted = {"crossover": 2, "fresh": 0}.get(change, 1)
        assert len(proposal.parents) == wanted


def test_a_program_that_cannot_be_taken_apart_is_replaced():
    odd = "WEIGHTS = {}\n\ndef reward(s, a, n, w):\n    while False:\n        pass\n    return 0\n"
    for proposal in proposed(LEGS, 4, 0, odd):
        assert proposal.operator == "revise: fresh"
        assert np.isfinite(run(source_of(proposal), LEGS)[0])


def test_repair_drops_the_term_that_is_to_blame():
    reason = "term 'level' became infinite."
    broken = [
        Broken(0, 1, BRIEF, FOREIGN, Rejection(Stage.TRAIN, reason)),
        Broken(1, 1, BRIEF, "", Rejection(Stage.ANSWER, "there is no program.")),
    ]
    mended, fresh = PROPOSER.repair(CONTEXT, broken)
    assert mended.operator == "repair"
    assert set(run(source_of(mended), LEGS)[1]) == {"pace", "calm"}
    assert np.isfinite(run(source_of(fresh), LEGS)[0])
    again = [dataclasses.replace(broken[1], attempt=2)]
    assert PROPOSER.repair(CONTEXT, again)[0] != fresh


def test_it_knows_no_bundled_task():
    """No task's, robot's or field's name is in the code; ``last_action`` is every task's."""
    known = set()
    for task in content_folder("envs").glob("*/task.py"):
        known |= {task.parent.name, *task.parent.name.split("_")} - {"half"}
        for node in ast.walk(ast.parse(task.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "joint_positions",
                "joint_velocities",
                "sensors",
            ):
                known.add(ast.literal_eval(node.args[0]))
    assert len(known) > 5
    for path in Path(offline.__file__).parent.glob("*.py"):
        words = set(re.findall(r"\w+", path.read_text().lower()))
        assert not words & known, path.name


def test_proposals_do_not_depend_on_the_process():
    """Sets of strings come in another order in each process."""
    code = (
        "from offline_worlds import *\n"
        "first = [source_of(p) for p in proposed(LEGS, 4)]\n"
        "print(proposed(LEGS, 6, 1, FOREIGN, first))"
    )
    printed = {
        subprocess.check_output(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent,
        )
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_it_starts_without_jax():
    code = (
        "import sys, reward_synth.propose.offline; assert not {'jax', 'mujoco'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rationale_of_another_author_is_kept():
    for proposal in proposed(LEGS, 8, 0, FOREIGN):
        if proposal.parents:
            rationale = program_of(source_of(proposal)).rationale
            assert rationale.startswith("Move briskly")
            assert "Change: " in rationale


def brief(operator, sources, **kwargs):
    known = tuple(Parent(f"g00c{i:02d}", program_of(s), 0.0, "") for i, s in enumerate(sources))
    return Brief(operator, known, **kwargs)


def test_each_operator_does_what_it_says():
    sources = [source_of(p) for p in proposed(LEGS, 6, 3)]
    rich = max(sources, key=lambda source: len(run(source, LEGS)[1]))
    other = next(source for source in sources if source != rich)
    wanted = {
        Operator.STRUCTURE: ({"add", "reshape", "gate"}, 1),
        Operator.CROSSOVER: ({"crossover"}, 2),
        Operator.PARAMETERS: ({"weights"}, 1),
        Operator.THOUGHT: ({"fresh"}, 0),
        Operator.SIMPLIFY: ({"drop"}, 1),
    }
    briefs = [brief(operator, [rich, other]) for operator in wanted]
    written = PROPOSER.propose(Context(LEGS, 1, 0), briefs)
    for proposal, (operator, (changes, parents)) in zip(written, wanted.items(), strict=True):
        said, _, change = proposal.operator.partition(": ")
        assert said == operator
        assert (change or said) in changes
        assert len(proposal.parents) == parents
    before, after = (set(run(source, LEGS)[1]) for source in (rich, source_of(written[-1])))
    assert after < before


def test_a_gate_multiplies_a_term_that_pays():
    sources = [source_of(p) for p in proposed(LEGS, 8, 5)]
    briefs = [brief(Operator.STRUCTURE, [source]) for source in sources * 4]
    gated = [
        p for p in PROPOSER.propose(Context(LEGS, 1, 2), briefs) if p.operator.endswith("gate")
    ]
    assert len(gated) > 3
    for proposal in gated:
        program = program_of(source_of(proposal))
        name, other = re.search(r"multiplies (\w+) by (\w+)", program.rationale).groups()
        parts = Catalogue.of(LEGS).read(program.source)
        (term,) = [part for part in parts if part.name == name]
        assert term.gate is not None
        assert term.gate.measure.name == other
        assert term.gate.gates
        assert np.isfinite(run(program.source, LEGS)[0])


def test_given_weights_are_written_into_the_parent_as_it_stands():
    (first,) = proposed(LEGS, 1, 3)
    program = program_of(source_of(first))
    weights = tuple((name, 0.123) for name, _ in program.weights[:1])
    asked = brief(Operator.PARAMETERS, [program.source], weights=weights)
    (changed,) = PROPOSER.propose(Context(LEGS, 1, 0), [asked])
    new = program_of(source_of(changed))
    assert dict(new.weights) == dict(program.weights) | dict(weights)
    table = re.compile(r"WEIGHTS = \{.*?\}", re.S)
    assert table.sub("", new.source) == table.sub("", program.source)


def seen_in_pictures(world, home=0.25):
    """The world with the score of a picture among its fields, as a run adds it."""
    field = Field("clip_score", (), "1", "picture", "how much a picture looks like 'it'", (home,))
    return dataclasses.replace(world, fields=(*world.fields, field))


@by_name
def test_where_pictures_are_scored_they_alone_are_tried_first(world):
    seen = seen_in_pictures(world)
    context = Context(seen, 0, 3)
    sources = [source_of(p) for p in PROPOSER.propose(context, [BRIEF] * 8)]
    (looks,) = Catalogue.of(seen).read(sources[0])
    assert (looks.name, looks.weight, looks.fields) == ("looks", 1.0, {"clip_score"})
    # The level of the score pays for an episode to go on, or for nothing.
    level = "" if world.terminates else " - 0.25"
    assert f"looks = next_state.clip_score{level}\n" in sources[0]
    assert "picture looks like the goal pays" in sources[0]
    assert len(set(sources)) == 8
    later = PROPOSER.propose(Context(seen, 1, 3), [BRIEF] * 8)
    assert all(len(Catalogue.of(seen).read(source_of(p))) > 1 for p in later[:1])


def test_pictures_stand_beside_other_terms_now_and_then():
    seen = seen_in_pictures(PENDULUM)
    context = Context(seen, 0, 0)
    sources = [source_of(p) for p in PROPOSER.propose(context, [BRIEF] * 40)][1:]
    beside = [source for source in sources if "clip_score" in source]
    assert 5 < len(beside) < 30
    for source in beside:
        parts = Catalogue.of(seen).read(source)
        assert "looks" in {part.name for part in parts if isinstance(part, Term)}
        total, terms = run(source, seen)
        assert np.isfinite(total)
        assert "looks" in terms


def test_without_pictures_nothing_is_said_of_them():
    assert not any("clip_score" in p.answer for p in proposed(PENDULUM, 40))
