"""Rules within one object that no field table can say: what the API server's CEL rules and istiod's webhook check.

Facts from Istio release-1.31, ``pkg/config/validation`` and the CRDs of ``manifests/charts/base/files``; every module
names its file. Rules across objects belong to the room ``analysis``.
"""

from meshsim.api.rules.check import check_rules
from meshsim.api.rules.report import Remark, Report

__all__ = ["Remark", "Report", "check_rules"]
