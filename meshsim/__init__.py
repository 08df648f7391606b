"""meshsim replays an Istio service mesh on a laptop, without a cluster.

The names below are imported when they are first used: the command line must not pay for what it does not call.
"""

from __future__ import annotations

__version__ = "0.1.0"
