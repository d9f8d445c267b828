"""What can be said against a reward before any training, cheapest first.

    evidence = Evidence.of(task, explored, discount=0.99, trained=episodes, exploits=registry.all())
    findings = screen(reward, evidence)

A fatal finding means that a training would be wasted, as far as can be told; a tenth of the
rewards that are turned down is trained all the same, to know how often that is wrong
(``feedback.audit``).
"""

from reward_synth.reward.screen.episodes import Episodes
from reward_synth.reward.screen.evidence import Evidence
from reward_synth.reward.screen.exploits import Exploit, diagnose
from reward_synth.reward.screen.registry import Registry
from reward_synth.reward.screen.screen import screen

__all__ = [
    "Episodes",
    "Evidence",
    "Exploit",
    "Registry",
    "diagnose",
    "screen",
]
