"""What is paid goes to the steps that it is paid for."""

import numpy as np
import pytest

from reward_synth.reward.screen import Exploit
from reward_synth.reward.screen.evidence import Payments
from reward_synth.reward.transitions import measure
from tests.reward.screen.worlds import episodes, evidence, moves, rewarding

REWARD = rewarding(position=lambda x, v, u: x, push=lambda x, v, u: u)


@pytest.mark.parametrize("count", [0, 1, 2047, 2048, 2049, 5000])
def test_each_step_is_measured_once_and_in_order(count):
    steps = moves(np.linspace(-1, 1, count))
    values, terms = measure(REWARD, steps)
    np.testing.assert_array_equal(terms[:, 0], steps.next_state[:, 0])
    np.testing.assert_array_equal(terms[:, 1], steps.action[:, 0])
    np.testing.assert_array_equal(values, terms.sum(1))


def test_payments_line_up_with_the_evidence(point):
    exploits = [
        Exploit(episodes([-2.0, -3.0]), episodes([1.0]), "One."),
        Exploit(episodes([-4.0]), episodes([0.5, 0.6, 0.7]), "Two."),
    ]
    known = evidence(point, trained=episodes([0.0, 2.0], steps=7), exploits=exploits)
    payments = Payments.of(REWARD, known)
    assert known.trained is not None
    assert payments.trained is not None
    expected = [known.explored, known.trained.transitions]
    found = [payments.explored, payments.trained]
    for exploit, paid in zip(exploits, payments.exploits, strict=True):
        expected += [exploit.shown.transitions, exploit.reference.transitions]
        found += paid
    for steps, paid in zip(expected, found, strict=True):
        np.testing.assert_array_equal(paid.terms[:, 0], steps.next_state[:, 0])
    assert len(payments.everything.reward) == len(known.everything) == sum(map(len, expected))


def test_lost_is_beyond_3_m(point):
    known = evidence(point)
    np.testing.assert_array_equal(known.lost, np.abs(known.explored.next_state[:, 0]) > 3)
