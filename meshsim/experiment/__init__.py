"""Replications and sweeps over `concurrent.futures.Executor`: processes of this machine, or any other executor."""

from meshsim.experiment.replication import Runner, RunSettings, replicate
from meshsim.experiment.replications import default_workers, process_pool, run_replications
from meshsim.experiment.sweep import SweepRow, run_sweep

__all__ = [
    "RunSettings",
    "Runner",
    "SweepRow",
    "default_workers",
    "process_pool",
    "replicate",
    "run_replications",
    "run_sweep",
]
