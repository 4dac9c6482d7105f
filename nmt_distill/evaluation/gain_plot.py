"""A plot of what rows gain: a bar for the mean of the seeds, and a dot for every seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nmt_distill.evaluation.ablation import Ablation, AblationSet, Gain
from nmt_distill.evaluation.document import Plot
from nmt_distill.evaluation.plot import TITLE, Draw, colour, draw_plot


def gain_plots(report: Ablation) -> Iterator[Plot]:
    """Draw the gains in chrF2++ over the first baseline, a plot for each test set."""
    baseline = report.baselines[0]
    for number, test_set in enumerate(report.test_sets, start=1):
        gains = [gain for gain in test_set.gains if gain.baseline == baseline and gain.metric == "chrF2++"]
        title = f"{report.label(test_set)}: chrF2++ against {baseline}"
        yield draw_plot(_bars(test_set, gains, title), title, f"gains_{number}.svg", height=1.1 + 0.32 * len(gains))


def _bars(test_set: AblationSet, gains: list[Gain], title: str) -> Draw:
    def draw(axes: Any) -> None:
        for place, gain in enumerate(gains):
            mean, seeds = gain.summary.mean, [comparison.difference for comparison in gain.comparisons]
            own = colour(2 if mean > 0 else 1)
            axes.barh([place], [mean], height=0.55, color=own, alpha=0.4)
            axes.plot(seeds, [place] * len(seeds), linestyle="none", marker="o", markersize=5, color=own)
        axes.axvline(0, color="#616b80", linewidth=1)
        axes.set_yticks(range(len(gains)), [gain.row for gain in gains])
        axes.invert_yaxis()
        axes.set_title(title, **TITLE)
        axes.set_xlabel("points, a dot for every seed")

    return draw
