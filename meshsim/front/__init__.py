"""A scenario file to a judged, recorded, reported run: what the command line, notebooks and test plugins share."""

from meshsim.front.running import RunRequest, run_file
from meshsim.front.scenario import Scenario, open_result, sweep

__all__ = ["RunRequest", "Scenario", "open_result", "run_file", "sweep"]
