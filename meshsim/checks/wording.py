"""Numbers as people read them in a summary: `99.91 %`, `96 ms`, `0.63 s`, `60,012`, `5m30s`."""

from __future__ import annotations

from meshsim.units import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, Nanos

NEVER = float("inf")


def percent(share: float, digits: int = 2) -> str:
    """A share of 1, without zeros that say nothing; never rounded up to 100 % or down to 0 %."""
    value = share * 100
    text = f"{value:.{digits}f}"
    if (float(text) == 100.0 and share < 1.0) or (float(text) == 0.0 and share > 0.0):
        text = f"{value:.6g}" if share < 1e-4 else f"{value:.6f}"[: digits + 6]
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} %"


def span(value: float) -> str:
    """A duration with three digits or so."""
    if value == NEVER:
        return "never"
    if value < MILLISECOND:
        return f"{value / MICROSECOND:.0f} us"
    if value < 10 * MILLISECOND:
        return f"{value / MILLISECOND:.1f} ms".replace(".0 ", " ")
    if value < 10 * SECOND:
        return f"{value / MILLISECOND:,.0f} ms"
    return f"{value / SECOND:,.1f} s"


def seconds(value: float) -> str:
    """A duration in seconds, for propagation."""
    if value == NEVER:
        return "never"
    return f"{value / SECOND:.2f} s" if value < 100 * SECOND else f"{value / SECOND:.0f} s"


def limit_span(value: Nanos) -> str:
    """A duration as a limit was written: `300 ms`, `1 s`."""
    for unit, size in (("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND)):
        if value >= size and value % (size // 1000 or 1) == 0:
            return f"{value / size:g} {unit}"
    return f"{value} ns"


def count(value: int) -> str:
    """A whole number."""
    return f"{value:,}"


def number(value: int, one: str, many: str = "") -> str:
    """So many things: `1 proxy`, `9 proxies`."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def clock(value: Nanos) -> str:
    """A time of the run: `7m02s`, `12s`, `1h05m00s`; fractions of a second only where there are some."""
    sign = "-" if value < 0 else ""
    hours, rest = divmod(abs(value), HOUR)
    minutes, rest = divmod(rest, MINUTE)
    whole, fraction = divmod(rest, SECOND)
    tail = f"{whole:02d}" if hours or minutes else f"{whole}"
    if fraction:
        tail += f".{fraction:09d}".rstrip("0")[:4]
    text = f"{hours}h{minutes:02d}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{text}{tail}s"
