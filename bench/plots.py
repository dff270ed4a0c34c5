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


def plot_stages(path: Path, title: str, bars: Mapping[str, Mapping[str, float]]) -> None:
    """Draws cost by stage, a bar for each way of asking.

    Args:
        path: the PNG file to write.
        title: what stands above.
        bars: by the bar's name microseconds a query by stage, the stages of all in one order; what came out below
            nothing is drawn as nothing.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    figure, axes = _figure(title)
    begins = dict.fromkeys(bars, 0.0)
    for stage in next(iter(bars.values())):
        widths = {name: max(costs[stage], 0.0) for name, costs in bars.items()}
        axes.barh(list(bars), list(widths.values()), left=list(begins.values()), label=stage)
        begins = {name: begin + widths[name] for name, begin in begins.items()}
    axes.invert_yaxis()
    axes.set_xlabel("microseconds a query")
    axes.grid(visible=True, axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(begins) + 2)
    figure.savefig(path)


def plot_sizes(path: Path, title: str, costs: Mapping[int, float], most: float) -> None:
    """Draws cost against size.

    Args:
        path: the PNG file to write.
        title: what stands above.
        costs: microseconds a query by mailboxes.
        most: how many times the cost of the smallest is still good.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    figure, axes = _figure(title)
    axes.plot(list(costs), list(costs.values()), marker="o", label="measured")
    axes.axhline(most * costs[min(costs)], linestyle="--", color="grey", label=f"{most:g} times the smallest")
    axes.set_xlabel("mailboxes")
    axes.set_ylabel("microseconds a query")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(loc="lower right")
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
