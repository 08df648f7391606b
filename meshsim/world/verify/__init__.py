"""The model against recordings of the real thing: any folder laid out as ``worlds/``, ``xds/`` and so on."""

from meshsim.world.verify.outcome import KINDS, Counts, Difference, Outcome, WorldOutcome
from meshsim.world.verify.run import istioctl_verifier, verify_folder

__all__ = ["KINDS", "Counts", "Difference", "Outcome", "WorldOutcome", "istioctl_verifier", "verify_folder"]
