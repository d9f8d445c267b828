"""The proposer that needs no language model."""

from reward_synth.propose.offline.proposer import OfflineProposer

__all__ = ["OfflineProposer"]
