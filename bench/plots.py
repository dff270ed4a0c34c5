"""Plots of what was measured, as PNG files; matplotlib draws them where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_latency(path: Path, title: str, rates: Sequence[float], lines: Mapping[str, Sequence[float]]) -> None:
    """Draws latency against throughput.

    Args:
        path: the PNG file to write.
        title: what stands above.
        rates: queries a second, one for each point of every line.
        lines: milliseconds by the line's name, such as ``p99``.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    figure, axes = _figure(title)
    for name, milliseconds in lines.items():
        axes.plot(rates, milliseconds, marker="o", label=name)
    axes.set_xlabel("queries answered a second")
    axes.set_ylabel("milliseconds from when a message was due")
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path)


def _figure(title: str) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow to load, and no part of an installation
    except ModuleNotFoundError:
        raise ConfigurationError("plots want matplotlib: pip install matplotlib, or leave them out") from None
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes
