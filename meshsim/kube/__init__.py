"""API server with watches, deployments to pods, scheduler, kubelet and probes, endpoint slices."""

from meshsim.kube.kube import Kube, Rollout, Undo, WorkloadRef
from meshsim.kube.server import ApiServer, Change, PodAdmission, Verb, Watcher
from meshsim.kube.settings import EPOCH, KubeSettings, StageOverride, Stages

__all__ = [
    "EPOCH",
    "ApiServer",
    "Change",
    "Kube",
    "KubeSettings",
    "PodAdmission",
    "Rollout",
    "StageOverride",
    "Stages",
    "Undo",
    "Verb",
    "Watcher",
    "WorkloadRef",
]
