"""What the screens say of honest rewards: experts, and programs written offline."""

from functools import cache

import numpy as np
import pytest

from reward_synth.propose.offline import OfflineProposer
from reward_synth.propose.operators import Operator
from reward_synth.propose.proposer import Brief, Context
from reward_synth.records import Rejection
from reward_synth.reward.parse import parse
from reward_synth.reward.rewards import Reward, expert_reward, sparse_reward, traced_reward
from reward_synth.reward.screen import Evidence, screen
from reward_synth.reward.trace import trace
from reward_synth.rollout.explore import explore
from reward_synth.task import Task, bundled_tasks, load_task

_DISCOUNT = 0.99


@cache
def known_of(name: str) -> tuple[Task, Evidence]:
    task = load_task(name)
    return task, Evidence.of(task, explore(task, 0, 32, 64), discount=_DISCOUNT)


def fatal(reward: Reward, known: Evidence):
    return [finding for finding in screen(reward, known) if finding.fatal]


@pytest.mark.parametrize("name", bundled_tasks())
def test_no_expert_is_turned_down(name):
    task, known = known_of(name)
    assert fatal(expert_reward(task), known) == []


@pytest.mark.parametrize("name", ["hopper", "half_cheetah"])
def test_success_alone_is_turned_down_where_random_actions_never_succeed(name):
    task, known = known_of(name)
    (finding,) = fatal(sparse_reward(task), known)
    assert finding.screen == "constant"


@pytest.mark.parametrize("name", ["hopper", "half_cheetah", "cartpole_swingup"])
def test_few_offline_programs_are_turned_down(name):
    task, known = known_of(name)
    context = Context(task.description, 0, seed=0)
    turned_down = 0
    for proposal in OfflineProposer().propose(context, [Brief(Operator.INITIAL)] * 6):
        program = parse(proposal.answer)
        assert not isinstance(program, Rejection)
        traced = trace(program, task.description)
        assert not isinstance(traced, Rejection)
        reward = traced_reward(traced, task)
        assert not isinstance(reward, Rejection)
        turned_down += bool(fatal(reward, known))
    assert turned_down <= 1


def test_the_hopper_is_lost_in_exploration():
    _, known = known_of("hopper")
    assert 20 < known.lost.sum() < len(known.explored) / 5
    assert np.isfinite(known.explored.next_state).all()
