"""A small report of invented systems, for all tests that write or read one."""

from __future__ import annotations

import pytest

from nmt_distill.evaluation.background import Background, CorpusSource, Curve, CurvePoint, Dropped
from nmt_distill.evaluation.document import Block
from nmt_distill.evaluation.efficiency import Efficiency
from nmt_distill.evaluation.metrics import Measure
from nmt_distill.evaluation.outside_metrics import OutsideMetricConfig, SentenceScores
from nmt_distill.evaluation.page import report_blocks
from nmt_distill.evaluation.report import NoisyScore, NoisyScores, Report, System
from nmt_distill.evaluation.scoring import score_test_set
from nmt_distill.evaluation.speed import Machine, Speed
from nmt_distill.languages import Direction

SOURCES = ["Turn on the living room light", "Stop", "Press <b>{name}</b> | to go on", "Where is the old cat now?"]
REFERENCES = [
    "Acenda a luz da sala de estar",
    "Parar",
    "Prima <b>{name}</b> | para continuar",
    "Onde está o gato velho?",
]
TEACHER = ["Acenda a luz da sala", "Parar", "Prima <b>{name}</b> | para continuar", "Onde está o gato velho?"]
STUDENT = ["Acenda a luz da sala", "Pare", "Prima <b>{name}</b> | para ir", "Onde está o cão?"]


def made_speed(seconds: float) -> Speed:
    """Return the speed of a system that needs so many seconds for the four sentences."""
    return Speed(
        seconds=seconds, all_seconds=(seconds, seconds / 2, seconds * 2), num_sentences=4, num_tokens=20,
        token_unit="words", num_threads=2, batch_rule="all at once", decoding="greedy", num_warm_up=1,
        load_before=0.25,
    )  # fmt: skip


COMET = OutsideMetricConfig(name="COMET22", command="comet/bin/python scores.py")
OUTSIDE = {
    name: [SentenceScores(metric=COMET, values=values)]
    for name, values in {
        "teacher": (0.9, 0.95, 0.9, 0.92),
        "student int8": (0.85, 0.8248, 0.83, 0.82),
        "baseline": (0.3, 0.31, 0.29, 0.3),
    }.items()
}


def made_noise() -> NoisyScores:
    """Return what upper case makes of two systems."""
    bleu, chrf = Measure(value=20.0, signature="BLEU|x"), Measure(value=30.0, signature="chrF2++|x")
    systems = (NoisyScore(system=name, bleu=bleu, chrf=chrf) for name in ("teacher", "student int8"))
    return NoisyScores(noise="upper_case", num_changed=4, seed=1, systems=tuple(systems))


@pytest.fixture(scope="session")
def report() -> Report:
    """Two test sets, of which the second must not be quoted; a teacher, a student, a baseline without speed."""
    test_sets = tuple(
        score_test_set(
            name=name,
            direction=Direction(source="en", target="pt"),
            sources=SOURCES,
            references=REFERENCES,
            outputs={"teacher": TEACHER, "student int8": STUDENT, "baseline": ["Não"] * 4},
            speeds={"teacher": made_speed(2.0), "student int8": made_speed(0.125)},
            teacher="teacher",
            focus="student int8",
            comparisons=[("student int8", "baseline"), ("teacher", "teacher")],
            num_resamples=64,
            num_trials=64,
            origin="invented",
            licence="CC0-1.0",
            text_may_be_published=name == "Catalogues",
            outside=OUTSIDE,
            robustness=[made_noise()],
        )
        for name in ("Catalogues", "Everyday")
    )
    return Report(
        title="An invented_report",
        systems=(
            System(name="teacher", role="teacher", description="the large one", num_parameters=16_900_000),
            System(name="student int8", role="export", num_parameters=2_300_000, num_bytes=3_456_000),
            System(name="baseline", role="baseline", num_parameters=99_999),
        ),
        test_sets=test_sets,
        machine=Machine(processor="Example CPU", num_cores=2, system="Linux x86_64", python="3.11.7"),
        command="nmt-distill run invented",
        teacher="teacher",
        speed_reference="teacher",
        notes=("`baseline` always says no.",),
        created="2026-11-22",
        efficiency=tuple(
            Efficiency(
                system="student int8",
                num_cores=num_cores,
                latency=made_speed(0.5),
                slow_sentence_seconds=0.3,
                throughput=made_speed(0.25 / num_cores),
                load_seconds=1.5,
                peak_bytes=123_400_000,
            )
            for num_cores in (1, 2)
        ),
        background=Background(
            runs=("invented",),
            curves=tuple(
                Curve(
                    run="invented",
                    measure=measure,
                    points=(CurvePoint(step=100, value=40.0), CurvePoint(step=200, value=50.5)),
                )
                for measure in ("chrF2++ on held-out text", "divergence from the teacher, nats")
            ),
            corpus=(
                CorpusSource(
                    direction="en-pt",
                    origin="invented catalogues",
                    licence="CC0-1.0",
                    num_read=1000,
                    num_train=700,
                    num_mono=100,
                    dropped=(Dropped(reason="identical", count=150), Dropped(reason="repeated", count=50)),
                ),
            ),
            recipe="name: invented\n",
        ),
    )


@pytest.fixture(scope="session")
def blocks(report: Report) -> list[Block]:
    """All that the report says, plots included, which take time to draw."""
    return list(report_blocks(report))
