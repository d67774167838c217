"""One rung of a ladder, written `name=d_model x n_layers x n_heads x d_ff`, for example `30k=32x2x2x128`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PATTERN = re.compile(r"(?P<name>[A-Za-z0-9.]+)=(\d{1,6})x(\d{1,4})x(\d{1,4})x(\d{1,6})")


@dataclass(frozen=True)
class Size:
    """The shape of a transformer; other families match its total parameter count.

    Raises:
        ValueError: a dimension is below 1, or the heads do not divide d_model.
    """

    name: str
    d_model: int
    n_layers: int
    n_heads: int
    d_ff: int

    def __post_init__(self) -> None:
        for field in ("d_model", "n_layers", "n_heads", "d_ff"):
            if getattr(self, field) < 1:
                raise ValueError(f"ladder: size {self.name} has {field} {getattr(self, field)}; it must be at least 1")
        if self.d_model % self.n_heads:
            raise ValueError(
                f"ladder: size {self.name} has d_model {self.d_model}, which its n_heads {self.n_heads} do not divide; "
                f"d_model must be a multiple of n_heads"
            )

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Read `name=DxLxHxF`."""
        match = _PATTERN.fullmatch(text.strip())
        if not match:
            raise ValueError(
                f"ladder: got {text!r}, expected NAME=D_MODELxN_LAYERSxN_HEADSxD_FF, for example 30k=32x2x2x128"
            )
        name, *numbers = match.groups()
        return cls(name, *map(int, numbers))


def parse_ladder(texts: Iterable[str]) -> list[Size]:
    """The sizes of a ladder, in the order given.

    Raises:
        ValueError: one cannot be read, or two share a name.
    """
    sizes = [Size.parse(text) for text in texts]
    names = [size.name for size in sizes]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"ladder: the name {min(repeated)!r} stands twice; every size needs a name of its own")
    if not sizes:
        raise ValueError("ladder: got no size, expected at least one, for example 30k=32x2x2x128")
    return sizes
