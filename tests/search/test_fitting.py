"""Weights that answers ask for: found in a run's own episodes, and tried in its next generation."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from reward_synth.feedback.annotations import Annotation, Clip, Kind
from reward_synth.feedback.fit import Fit
from reward_synth.propose.operators import Operator
from reward_synth.rollout.segments import strewn
from reward_synth.search import fitting
from reward_synth.search.archive import Archive
from reward_synth.search.config import FeedbackSettings, FinalSettings
from reward_synth.search.loop import start
from reward_synth.search.store import Store
from reward_synth.search.training_process import make_trainer
from reward_synth.search.weights import next_weights
from tests.search.archives import candidate
from tests.search.test_loop import Ear, config  # noqa: F401 (a fixture)

FIT = (0.25, 6.0)


@pytest.fixture(scope="module")
def asked(config, tmp_path_factory):  # noqa: F811
    """Two generations of a search that a teacher steers."""
    folder = tmp_path_factory.mktemp("asked") / "run"
    settings = replace(
        config,
        search=replace(config.search, candidates=8, lineages=3, rungs=(), keep=()),
        feedback=FeedbackSettings(source="teacher", fitness=False, answers=30),
        final=FinalSettings(trainings=0),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit_weights", trebled)
        start(settings, folder, Ear())
    return settings, folder


def trebled(reward, segments, answers):
    """The first weight trebled, of which everybody is sure."""
    weights = np.array(reward.weights, float)
    weights[0] *= 3.0
    return Fit(tuple(weights), 1.0, 0.0, 1.0, 0.5, len(answers), believed=True)


def test_what_was_said_of_a_generation_sets_weights_in_the_next(asked):
    settings, folder = asked
    with Store.read(folder) as store:
        fits = store.job("gen_00/hear")["fits"]
        candidates = {c.id: c for c in store.candidates()}
    assert len(fits) == settings.search.lineages
    children = [c for c in candidates.values() if c.kind == Operator.PARAMETERS]
    told = [c for c in children if np.allclose(numbers(c), fits.get(c.parents[0], 0), rtol=0.01)]
    assert told
    for child in told:
        assert numbers(child)[0] == pytest.approx(
            3.0 * numbers(candidates[child.parents[0]])[0], rel=0.01
        )


def numbers(candidate):
    return [value for _, value in candidate.program.weights]


def test_a_reward_that_disagrees_with_answers_is_fitted_to_them(asked):
    settings, folder = asked
    trainer = make_trainer(settings, folder, None, lambda *_: None)
    with Store.read(folder) as store:
        scored = [c for c in store.candidates() if c.score is not None]
    rollouts = {c.id: trainer.screening.rollouts(c) for c in scored}
    tried = 0
    for leader in scored:
        reward = trainer.screening.reward(leader)
        terms = np.array([mean_terms(reward, rollouts[c.id]) for c in scored])
        wanted = terms @ np.eye(len(terms.T))[0]  # by the first term alone
        if len(reward.weights) < 2 or not terms.std(0).all():
            continue
        right = agreement(terms.sum(1), wanted)
        found = trainer.fits(answers(scored, wanted), scored, [leader])
        if found:
            changed = replace(reward, weights=np.float32(found[leader.id]))
            means = [mean_terms(changed, rollouts[c.id]).sum() for c in scored]
            assert agreement(np.array(means), wanted) > right
            tried += 1
    assert tried


def mean_terms(reward, rollouts):
    steps = strewn(rollouts, rollouts.typical, 100).transitions
    _, terms = reward.function(steps.state, steps.action, steps.next_state, reward.weights)
    return np.asarray(terms).mean(0)


def agreement(values, wanted):
    """Of how many pairs both say the same."""
    pairs = list(combinations(range(len(values)), 2))
    return np.mean([(values[i] > values[j]) == (wanted[i] > wanted[j]) for i, j in pairs])


def answers(scored, wanted):
    """What somebody says of all pairs who goes by the wanted."""
    clips = [Clip(c.id, f"{c.folder}/rollout.npz") for c in scored]
    return [
        Annotation(
            "ann",
            Kind.PAIR,
            (clips[i], clips[j]),
            (scored[i if wanted[i] > wanted[j] else j].id,),
        )
        for i, j in combinations(range(len(scored)), 2)
    ]


def test_nothing_is_fitted_where_nobody_has_said_anything():
    assert fitting.fitted({}, {}, []) == {}


def test_a_fit_is_tried_first_and_once():
    parent = candidate(0, 0, 1.0, {"a": 1.0, "b": 2.0})
    fits = {parent.id: FIT}
    rng = np.random.default_rng(0)
    first, *others = next_weights(Archive((parent,), 1, fits=fits), parent, 3, rng)
    assert first == (("a", 0.25), ("b", 6.0))
    assert first not in others
    tried = candidate(1, 0, weights={"a": 0.25, "b": 6.0})  # and left behind, which tells enough
    again = next_weights(Archive((parent, tried), 2, fits=fits), parent, 3, rng)
    assert first not in again
