"""Figures: drawings as inline SVG that take their colours from the page. What they show is decided elsewhere.

Matplotlib draws, by its SVG backend and no global state. Text stays text. What it draws in a marker colour is drawn in
a colour of the page, so that one drawing serves light, dark and print.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

INK, FAINT, PAPER = "#010101", "#020202", "#030303"
SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006")
_VARIABLES = {INK: "ink", FAINT: "faint", PAPER: "paper"} | {
    colour: f"series-{place}" for place, colour in enumerate(SERIES, start=1)
}
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))

_MORE, _LESS = (0.13, 0.40, 0.85), (0.92, 0.45, 0.05)
"""Over a picture, whose own colours are those of neither light nor dark."""

WIDTH, HEIGHT = 5.0, 3.1
"""Inches of 72 points: as wide as a telephone, so that text is never made smaller than it is read."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "text.parse_math": False,
}


def draw(name: str, plot: Callable[[Any], None], *, height: float = HEIGHT, width: float = WIDTH) -> str:
    """Draw on one pair of axes.

    Args:
        name: Unlike that of every other drawing of the page; makes the ids within the drawing its own.
        plot: Takes the axes.
        height: In inches of 72 points.
        width: The same.

    Returns:
        An `svg` element: no colours but the page's, no size but a view box, the same bytes for the same drawing.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.locator_params(axis="x", nbins=6)
        plot(axes)
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _adopted(drawing.getvalue(), name)


def _adopted(svg: str, name: str) -> str:
    """A drawing of its own file as a part of a page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    # a drawing without the paper that matplotlib lays under it
    body = re.sub(r'(\bid=")([^"]+)"', rf'\g<1>{name}-\g<2>"', body)
    body = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", body).replace("xlink:href", "href")
    body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    return f'<svg {box.group()} aria-hidden="true" focusable="false">{body}'


def lines(
    name: str,
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    diagonal: bool = False,
    markers: bool = False,
    band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
) -> str:
    """Lines of several series, told apart by colour and dashes.

    Args:
        name: As of `draw`.
        series: Label, x and y of each.
        x: The axis' label.
        y: The same.
        diagonal: Whether to draw where both are equal.
        markers: Whether to mark the points.
        band: x, low and high of an area around the first series.
    """

    def plot(axes: Any) -> None:
        if diagonal:
            axes.axline((0, 0), slope=1, color=FAINT, linewidth=1)
        if band is not None:
            axes.fill_between(*band, color=SERIES[0], alpha=0.2, linewidth=0)
        for place, (label, xs, ys) in enumerate(series):
            axes.plot(
                xs,
                ys,
                color=SERIES[place % len(SERIES)],
                linestyle=DASHES[place % len(DASHES)],
                marker="o" if markers else None,
                markersize=4,
                linewidth=1.8,
                label=label,
            )
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if all(float(value).is_integer() for _, xs, _ in series for value in xs):
            axes.locator_params(axis="x", integer=True)
        if len(series) > 1:
            axes.legend(loc="best")

    return draw(name, plot)


def bars(name: str, labels: Sequence[str], values: Sequence[float], *, x: str, errors: Any = None) -> str:
    """Horizontal bars, the first on top.

    Args:
        name: As of `draw`.
        labels: Of the bars.
        values: Their lengths, of any sign.
        x: The axis' label.
        errors: Two rows: how far the ends of an interval lie below and above each value.
    """

    def plot(axes: Any) -> None:
        places = np.arange(len(labels))[::-1]
        colours = [SERIES[0] if value >= 0 else SERIES[1] for value in values]
        axes.barh(places, values, color=colours, height=0.7, xerr=errors, error_kw={"ecolor": INK, "linewidth": 1})
        axes.set_yticks(places, [shortened(label) for label in labels])
        axes.axvline(0, color=FAINT, linewidth=1)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(x)

    return draw(name, plot, height=0.8 + 0.26 * max(len(labels), 2))


def dots(
    name: str, labels: Sequence[str], values: Sequence[float], lows: Sequence[float], highs: Sequence[float], *, x: str
) -> str:
    """Values with intervals, one above the other."""

    def plot(axes: Any) -> None:
        places = np.arange(len(labels))[::-1]
        axes.hlines(places, lows, highs, color=SERIES[0], linewidth=2, alpha=0.6)
        axes.plot(values, places, "o", color=SERIES[0], markersize=5)
        axes.set_yticks(places, [shortened(label) for label in labels])
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(x)

    return draw(name, plot, height=0.8 + 0.26 * max(len(labels), 2))


def histogram(
    name: str, edges: Sequence[float], counts: Sequence[float], *, x: str, y: str = "rows", dates: bool = False
) -> str:
    """Counts between edges, which may be dates: microseconds since 1970."""

    def plot(axes: Any) -> None:
        axes.stairs(counts, edges, fill=True, color=SERIES[0], alpha=0.85)
        if dates:
            days = (edges[-1] - edges[0]) / 86_400e6
            shown = "Y" if days > 2000 else "M" if days > 120 else "D" if days > 4 else "s"
            axes.locator_params(axis="x", nbins=4)
            axes.xaxis.set_major_formatter(lambda at, _: str(np.datetime64(round(at), "us").astype(f"M8[{shown}]")))
        axes.set_xlabel(x)
        axes.set_ylabel(y)

    return draw(name, plot, height=2.4)


def cloud(name: str, xs: Sequence[float], ys: Sequence[float], *, x: str, y: str, diagonal: bool) -> str:
    """Points, and where both axes are equal or y is 0."""

    def plot(axes: Any) -> None:
        axes.plot(xs, ys, "o", color=SERIES[0], markersize=3, alpha=0.35, markeredgewidth=0)
        if diagonal:
            axes.axline((float(np.mean(xs)), float(np.mean(xs))), slope=1, color=INK, linewidth=1)
        else:
            axes.axhline(0, color=INK, linewidth=1)
        axes.set_xlabel(x)
        axes.set_ylabel(y)

    return draw(name, plot)


def shortened(label: Any, most: int = 22) -> str:
    """A label that leaves room for what it labels, on one line.

    Example:
        >>> shortened("a rather long name of a column")
        'a rather long name of…'
    """
    text = " ".join(str(label).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def shades(name: str, labels: Sequence[Any], shares: np.ndarray) -> str:
    """Shares of rows of many classes, darker where higher."""

    def plot(axes: Any) -> None:
        count = len(labels)
        for row, column in zip(*np.nonzero(shares > 0.005), strict=True):
            axes.fill([column, column + 1, column + 1, column], [row, row, row + 1, row + 1],
                      color=SERIES[0], alpha=min(float(shares[row, column]) ** 0.5, 1.0), linewidth=0)  # fmt: skip
        places, size = np.arange(count) + 0.5, 9 if count <= 24 else 6
        axes.set_xticks([])
        axes.set_yticks(places, [shortened(label, 14) for label in labels], fontsize=size)
        axes.set_xlim(0, count)
        axes.set_ylim(count, 0)
        axes.grid(visible=False)
        axes.set_xlabel("label, in the same order")
        axes.set_ylabel("class")

    return draw(name, plot, height=0.8 + max((0.17 if len(labels) <= 24 else 0.11) * len(labels), 2.4))


def matrix(name: str, labels: Sequence[Any], shares: np.ndarray) -> str:
    """Shares of rows, darker where higher, with their percentages."""

    def plot(axes: Any) -> None:
        count = len(labels)
        for row in range(count):
            for column in range(count):
                share = float(shares[row, column])
                axes.fill([column, column + 1, column + 1, column], [row, row, row + 1, row + 1],
                          color=SERIES[0], alpha=0.55 * share, linewidth=0)  # fmt: skip
                axes.text(column + 0.5, row + 0.5, f"{share:.0%}", ha="center", va="center",
                          fontsize=11 if count < 7 else 8)  # fmt: skip
        short = [shortened(label, 14) for label in labels]
        places = np.arange(count) + 0.5
        axes.set_xticks(places, short, rotation=0 if count < 4 else 40, ha="center" if count < 4 else "right")
        axes.set_yticks(places, short)
        axes.set_xlim(0, count)
        axes.set_ylim(count, 0)
        axes.grid(visible=False)
        axes.set_xlabel("label")
        axes.set_ylabel("class")

    return draw(name, plot, height=1.2 + 0.42 * max(len(labels), 3))


def picture(name: str, pixels: np.ndarray, weights: np.ndarray | None = None) -> str:
    """A picture; with what each of its pixels contributes, more in blue, less in orange.

    Args:
        name: As of `draw`.
        pixels: uint8 (height, width, 1, 3 or 4).
        weights: (height, width) What each pixel's region contributes; None for the picture alone.
    """

    def plot(axes: Any) -> None:
        axes.imshow(pixels[..., 0] if pixels.shape[2] < 3 else pixels, cmap="gray", vmin=0, vmax=255)
        if weights is not None and (largest := float(np.abs(weights).max())):
            shade = np.zeros((*weights.shape, 4))
            shade[weights > 0, :3] = _MORE
            shade[weights < 0, :3] = _LESS
            shade[..., 3] = 0.7 * np.abs(weights) / largest
            axes.imshow(shade)
        axes.set_axis_off()

    return draw(name, plot)
