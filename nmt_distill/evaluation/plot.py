"""The plots of a report, drawn by matplotlib as SVG that follows the reader's light or dark scheme."""

from __future__ import annotations

import importlib.util
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

from nmt_distill.evaluation.document import Plot
from nmt_distill.evaluation.report import Report, SystemScores, TestSetScores

PLOT_FOLDER = "plots"
WIDTH = 5.6
"""inches, of which there are 72 points in one"""
_INK, SOFT, _FAINT = "#1d2433", "#616b80", "#d6dae3"
_COLOURS = ("#0b62c4", "#c2410c", "#0b7a53", "#7a3db8", "#9a6700", "#a6104f", "#00727f", "#5f6b12")
_DARK = {
    _INK: "#e6e9f0", SOFT: "#9aa5ba", _FAINT: "#333c4d",
    **dict(zip(_COLOURS, ("#6fb1ff", "#ff9d66", "#52c79b", "#c49bf0", "#e0b04c", "#ff86b3", "#4fc6d3", "#b9c75a"),
               strict=True)),
}  # fmt: skip
_MARKERS = "osD^vPX*"
MAX_NAME, MAX_TITLE = 64, 40
"""letters of a name that fit into a line below a plot, and into its title"""
TITLE = {"loc": "left", "fontsize": 10.5, "fontweight": "bold"}

Draw = Callable[[Any], None]
"""draws on matplotlib's axes"""
NOT_DRAWN = "Without plots: matplotlib is not installed; `pip install 'nmt-distill[report]'`."
"""what stands in the place of plots"""


def can_draw() -> bool:
    """Tell whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def quality_plots(report: Report, test_set: TestSetScores) -> Iterator[Plot]:
    """Draw chrF2++ on a test set against speed and against size, where two systems or more have such a value."""
    sized = {system.name: system.num_bytes / 1e6 for system in report.systems if system.num_bytes is not None}
    number = report.test_sets.index(test_set) + 1
    speeds = {row.system: row.speed.sentences_per_second for row in test_set.systems if row.speed is not None}
    sizes = {row.system: sized[row.system] for row in test_set.systems if row.system in sized}
    for places, name, label in ((speeds, "speed", "sentences per second"), (sizes, "size", "megabytes to ship")):
        if len(places) >= 2:
            draw = _scatter(report, test_set, places, f"{label} (logarithmic)")
            title = f"{test_set.name}: chrF2++ against {label}"
            yield draw_plot(draw, title, f"quality_{name}_{number}.svg", height=3.6)


def score_bars(report: Report) -> Iterator[Plot]:
    """Draw BLEU and chrF2++ of all systems on every test set, with 95 % intervals where they were estimated."""
    if not report.test_sets:
        return
    num_bars = sum(len(test_set.systems) for test_set in report.test_sets)
    height = 1.2 + 0.25 * num_bars + 0.3 * len(report.test_sets)
    for name, attribute in (("BLEU", "bleu"), ("chrF2++", "chrf")):
        title = f"{name}, 95 % intervals" if _has_intervals(report) else name
        yield draw_plot(_bars(report, attribute, title), title, f"bars_{attribute}.svg", height=height)


def training_curves(report: Report) -> Iterator[Plot]:
    """Draw how each measure went during training, a line for each run."""
    curves = [curve for curve in report.background.curves if len(curve.points) >= 2]
    for number, measure in enumerate(dict.fromkeys(curve.measure for curve in curves), start=1):
        own = [curve for curve in curves if curve.measure == measure]

        def draw(axes: Any, own: Sequence[Any] = own, measure: str = measure) -> None:
            for place, curve in enumerate(own):
                steps, values = zip(*((point.step, point.value) for point in curve.points), strict=True)
                axes.plot(steps, values, color=colour(place), marker=_MARKERS[place % 8], markersize=4, label=curve.run)
            axes.set_title(measure, **TITLE)
            axes.set_xlabel("updates")
            if len(own) > 1:
                draw_legend(axes)

        yield draw_plot(draw, f"During training: {measure}", f"training_{number}.svg", height=2.8)


def _has_intervals(report: Report) -> bool:
    return any(row.scores.chrf.lower is not None for test_set in report.test_sets for row in test_set.systems)


def _scatter(report: Report, test_set: TestSetScores, places: dict[str, float], label: str) -> Draw:
    def draw(axes: Any) -> None:
        for row in test_set.systems:
            if row.system not in places:
                continue
            style = _style(report, row.system)
            value, x = row.scores.chrf.value, places[row.system]
            if (span := _span(row, "chrf")) is not None:
                axes.errorbar([x], [value], yerr=[[span[0]], [span[1]]], color=style["color"], linewidth=1, capsize=2)
            axes.plot([x], [value], linestyle="none", markersize=7, label=row.system, **style)
        axes.set_xscale("log")
        low, high = min(places.values()), max(places.values())
        axes.set_xlim(low / 1.5, high * 1.5)
        _log_ticks(axes, low / 1.5, high * 1.5)
        axes.set_title(f"{_shortened(test_set.name, MAX_TITLE)}: chrF2++", **TITLE)
        axes.set_xlabel(label)
        axes.margins(y=0.2)
        draw_legend(axes)

    return draw


def _bars(report: Report, attribute: str, title: str) -> Draw:
    def draw(axes: Any) -> None:
        place, names, places, told = 0.0, [], [], set()
        for test_set in report.test_sets:
            first = place
            for row in test_set.systems:
                value, style = getattr(row.scores, attribute).value, _style(report, row.system)
                label = None if row.system in told else row.system
                told.add(row.system)
                axes.barh(place, value, height=0.8, color=style["color"], label=label)
                if (span := _span(row, attribute)) is not None:
                    axes.errorbar([value], [place], xerr=[[span[0]], [span[1]]], color=_INK, linewidth=1, capsize=2)
                end = value + (0 if span is None else span[1])
                axes.annotate(f"{value:.1f}", (end, place), (5, 0), textcoords="offset points", va="center", fontsize=8)
                place += 1
            names.append(test_set.name)
            places.append((first + place - 1) / 2)
            place += 0.9
        axes.set_yticks(places, [_wrapped(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlim(0, axes.get_xlim()[1] * 1.1)
        axes.grid(visible=False, axis="y")
        axes.set_title(title, **TITLE)
        draw_legend(axes)

    return draw


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(name, 14, max_lines=3, placeholder="…")) if len(name) > 10 else name


def _shortened(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _span(row: SystemScores, attribute: str) -> tuple[float, float] | None:
    measure = getattr(row.scores, attribute)
    if measure.lower is None or measure.upper is None:
        return None
    return max(measure.value - measure.lower, 0), max(measure.upper - measure.value, 0)


def colour(number: int) -> str:
    """Return one of a row of colours that are told apart in light and dark."""
    return _COLOURS[number % len(_COLOURS)]


def _style(report: Report, system: str) -> dict[str, Any]:
    number = [known.name for known in report.systems].index(system)
    return {"color": colour(number), "marker": _MARKERS[number % len(_MARKERS)]}


def draw_legend(axes: Any) -> None:
    """Name what is drawn, below the axes: two names a line, or one where they are long, the longest shortened."""
    handles, labels = axes.get_legend_handles_labels()
    names = [_shortened(label, MAX_NAME) for label in labels]
    axes.figure.legend(
        handles, names, loc="outside lower left", frameon=False, fontsize=9,
        ncols=2 if max(map(len, names)) <= MAX_NAME // 2 else 1, handletextpad=0.4, columnspacing=1.4,
    )  # fmt: skip


def _log_ticks(axes: Any, low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    steps = (1, 2, 5) if high / low < 200 else (1,)
    ticks = [step * 10.0**power for power in range(-3, 8) for step in steps if low <= step * 10.0**power <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def draw_plot(draw: Draw, title: str, name: str, *, height: float) -> Plot:
    """Draw on one pair of axes.

    :param height: of the figure, in inches
    """
    import matplotlib
    from matplotlib.figure import Figure

    look: Any = {
        "svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 9.5,
        "text.color": _INK, "axes.labelcolor": SOFT, "axes.edgecolor": _FAINT, "xtick.color": SOFT,
        "ytick.color": SOFT, "grid.color": _FAINT, "axes.grid": True, "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False,
    }  # fmt: skip
    with matplotlib.rc_context(look), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's browser sets the letters
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return Plot(_adapted(stream.getvalue(), title), title, f"{PLOT_FOLDER}/{name}")


def _adapted(svg: str, title: str) -> str:
    """Make an SVG fit into a page: its colours by name, its letters those of the page, no prologue, a title."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r' id="[a-zA-Z]+_\d+"', "", svg)  # names of matplotlib's parts, the same in every plot
    svg = re.sub(r"font: (?:([a-z0-9]+) )?([\d.]+px) [^;\"]+", r"font: \1 \2 system-ui, sans-serif", svg)
    svg = re.sub(r"font-family: [^;\"]+", "font-family: system-ui, sans-serif", svg)
    for colour in _DARK:
        svg = svg.replace(colour, f"var(--{_name(colour)})")
    light = "; ".join(f"--{_name(colour)}: {colour}" for colour in _DARK)
    dark = "; ".join(f"--{_name(colour)}: {other}" for colour, other in _DARK.items())
    style = f".plot {{ {light} }} @media (prefers-color-scheme: dark) {{ .plot {{ {dark} }} }}"
    opening = '<svg class="plot" role="img" '
    head, rest = svg.split(">", 1)
    return f"{opening}{head.removeprefix('<svg ')}><title>{escape(title)}</title><style>{style}</style>{rest}"


def _name(colour: str) -> str:
    return f"plot-{list(_DARK).index(colour)}"
