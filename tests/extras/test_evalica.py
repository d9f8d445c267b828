"""Rankings and agreement, held against evalica, which brings pandas: not for `make test`."""

import evalica
import numpy as np
import pandas as pd
import pytest

from reward_synth.feedback.annotations import Comparison, Verdict
from reward_synth.feedback.crowd import concord
from reward_synth.feedback.ranking import probabilities, rank

WINNERS = {
    Verdict.FIRST: evalica.Winner.X,
    Verdict.SECOND: evalica.Winner.Y,
    Verdict.EQUAL: evalica.Winner.Draw,
}


def test_skills_and_ties_are_those_of_evalica():
    """Newman (2023) fits Davidson's model without priors, which many answers leave behind."""
    rng = np.random.default_rng(0)
    skills, ids = rng.normal(0.0, 1.0, 6), [f"c{i}" for i in range(6)]
    answers = []
    for _ in range(4000):
        i, j = rng.choice(6, 2, replace=False)
        chances = np.clip(probabilities(np.array(skills[i] - skills[j]), 0.7), 0.0, 1.0)
        answers.append(Comparison(ids[i], ids[j], list(WINNERS)[rng.choice(3, p=chances)], "anna"))
    ranking = rank(answers, ids)
    found = evalica.newman(
        [a.first for a in answers],
        [a.second for a in answers],
        [WINNERS[a.verdict] for a in answers],
        limit=1000,
        tolerance=1e-9,
    )
    reference = np.log(found.scores[ids].to_numpy())
    assert ranking.means == pytest.approx(reference - reference.mean(), abs=0.02)
    assert ranking.ties == pytest.approx(2 * found.v, rel=0.02)


def test_agreement_is_that_of_evalica():
    """Krippendorff's alpha of verdicts as -1, 0 and 1, each pair written both ways round."""
    rng = np.random.default_rng(0)
    scores = {Verdict.FIRST: 1.0, Verdict.SECOND: -1.0, Verdict.EQUAL: 0.0}
    verdicts, answers = list(scores), []
    table = np.full((3, 40), np.nan)
    for pair, who in np.ndindex(40, 3):
        if rng.random() < 0.8:
            verdict = verdicts[pair % 3] if rng.random() < 0.6 else verdicts[rng.integers(3)]
            answers.append(Comparison(f"a{pair}", f"b{pair}", verdict, f"annotator {who}"))
            table[who, pair] = scores[verdict]
    reference = evalica.alpha(pd.DataFrame(np.hstack([table, -table])), distance="interval")
    assert concord(answers).alpha == pytest.approx(reference.alpha)
