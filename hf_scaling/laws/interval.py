"""An interval, whose ends may be open, and how it is written."""

Interval = tuple[float | None, float | None]  # None: the data do not bound the parameter on that side


def format_interval(interval: Interval, digits: int = 3) -> str:
    """`[0.145, 0.258]`, with `open` for an end that the data do not bound."""
    return "[" + ", ".join("open" if end is None else f"{end:.{digits}f}" for end in interval) + "]"
