"""Fitted parameters as a file that a scenario names under ``mesh.timing.proxy.file``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import yaml

from meshsim.errors import InputError
from meshsim.units import format_duration
from meshsim.world.calibrate.calibration import SHOWN, Calibration
from meshsim.world.calibrate.measured import Setup
from meshsim.world.calibrate.parameters import REPORTING, Parameters
from meshsim.world.calibrate.testbed import BATCH, WORKERS

_LEAST_DIGIT: Final = 100
"""Fits know times to 100 ns at best."""


def write_parameters(path: Path, fitted: Calibration, telemetry: str | None = None) -> None:
    """Write the parameters of sidecars with this telemetry; raises `InputError` when none was measured with it."""
    known = sorted(fitted.parameters.passes, key=lambda name: (name == REPORTING, name))
    if telemetry is not None and telemetry not in known:
        raise InputError(f"nothing was measured with telemetry '{telemetry}'", None, f"there is {', '.join(known)}")
    chosen = telemetry or known[0]
    text = _comment(fitted, chosen) + yaml.safe_dump(proxy_keys(fitted.parameters, chosen), sort_keys=False)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror}") from error


def proxy_keys(parameters: Parameters, telemetry: str) -> dict[str, Any]:
    """The keys of a scenario's ``mesh.timing.proxy``.

    A sidecar plays both parts, but a scenario knows one waking for both: its cold part is of the mean of both passes.
    """
    passes = parameters.passes[telemetry]
    inbound = passes.inbound + parameters.tls
    cold = parameters.cold * (inbound + passes.outbound) / 2
    keys: dict[str, Any] = {
        "workers": WORKERS,
        "outbound": _lognormal(passes.outbound, parameters.spread),
        "inbound": _lognormal(inbound, parameters.spread),
        "wake": {"least": _time(parameters.wake_least), "most": _time(cold), "half": _time(parameters.half)},
        "flushed": f"{100 * parameters.flushed:.0f}%",
    }
    if passes.report:
        keys["report"] = {"answers": BATCH, "cost": _time(passes.report)}
    return keys


def _comment(fitted: Calibration, telemetry: str) -> str:
    lines = [f"# Sidecars with telemetry '{telemetry}', as meshsim calibrate fitted them. Error of cells not fitted:"]
    for setup in (Setup.SERVER, Setup.BOTH):
        errors = [(p, fitted.mean_error(f"p{p}", setup, telemetry)) for p in SHOWN]
        shown = ", ".join(f"p{p} {100 * error:.1f} %" for p, error in errors if error is not None)
        if shown:
            lines.append(f"# {setup.value}: {shown}")
    return "\n".join(lines) + "\n"


def _time(nanos: float) -> str:
    return format_duration(round(nanos / _LEAST_DIGIT) * _LEAST_DIGIT)


def _lognormal(median: float, sigma: float) -> str:
    return f"lognormal({_time(median)}, {math.exp(sigma):.3f})"
