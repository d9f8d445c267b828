"""What rewards are screened on, and what a reward pays there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reward_synth.records import TaskDescription
from reward_synth.reward.rewards import Reward
from reward_synth.reward.screen.episodes import Episodes
from reward_synth.reward.screen.exploits import Exploit
from reward_synth.reward.transitions import Transitions, measure
from reward_synth.task import batched
from reward_synth.task.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of a task before a reward is trained on; made once for many rewards.

    Attributes:
      description: the task.
      explored: steps of random actions.
      lost: (b,) bool, with this step of ``explored`` the task ended the episode short of its goal.
      trained: episodes of policies that were trained so far, None if there are none.
      exploits: what earlier rewards were seen to pay for by mistake.
      discount: gamma of the training to come.
      everything: the steps of all of these, in this order.
    """

    description: TaskDescription
    explored: Transitions
    lost: np.ndarray
    trained: Episodes | None
    exploits: tuple[Exploit, ...]
    discount: float
    everything: Transitions

    @classmethod
    def of(
        cls,
        task: Task,
        explored: Transitions,
        *,
        discount: float,
        trained: Episodes | None = None,
        exploits: Sequence[Exploit] = (),
    ) -> Evidence:
        """Gather what is known.

        Args:
          task: the task.
          explored: steps of random actions, at least one, in the order of time; see
            ``rollout.explore``.
          discount: gamma of the training to come.
          trained: episodes of trained policies; thin them where they are many.
          exploits: see ``Registry``.
        """
        lost = np.zeros(len(explored), bool)
        if task.description.terminates:
            after = explored.next_state
            won = np.asarray(batched.success(task, after)) > 0.5
            lost = np.asarray(batched.terminated(task, after)) & ~won
        steps = [explored]
        if trained is not None:
            steps.append(trained.transitions)
        for exploit in exploits:
            steps += [exploit.shown.transitions, exploit.reference.transitions]
        everything = Transitions.join(steps)
        return cls(task.description, explored, lost, trained, tuple(exploits), discount, everything)


class Paid(NamedTuple):
    """What a reward pays for b steps: its value, (b,), and its terms, (b, T)."""

    reward: np.ndarray
    terms: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Payments:
    """What one reward pays for all of the evidence.

    Attributes:
      names: of the terms.
      everything: for all steps.
      explored: for those of random actions.
      trained: for those of trained policies, None if there are none.
      exploits: for each exploit, what is paid for it and for its reference.
    """

    names: tuple[str, ...]
    everything: Paid
    explored: Paid
    trained: Paid | None
    exploits: tuple[tuple[Paid, Paid], ...]

    @classmethod
    def of(cls, reward: Reward, evidence: Evidence) -> Payments:
        """Run a reward once over all of the evidence."""
        everything = Paid(*measure(reward, evidence.everything))
        at = 0

        def take(steps: Transitions) -> Paid:
            nonlocal at
            mine = slice(at, at + len(steps))
            at = mine.stop
            return Paid(everything.reward[mine], everything.terms[mine])

        explored = take(evidence.explored)
        trained = None if evidence.trained is None else take(evidence.trained.transitions)
        exploits = tuple(
            (take(exploit.shown.transitions), take(exploit.reference.transitions))
            for exploit in evidence.exploits
        )
        return cls(reward.terms, everything, explored, trained, exploits)
