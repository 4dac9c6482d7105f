"""All systems on all test sets: who translates what, how fast, how robustly, and what the metrics say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nmt_distill.counting import counted
from nmt_distill.evaluation.efficiency import Efficiency
from nmt_distill.evaluation.metrics import AUTO, bleu_metric, chrf_metric, measure
from nmt_distill.evaluation.noise import SEED, Noise, NoisyText, add_noise
from nmt_distill.evaluation.outside_metrics import OutsideMetricConfig, sentence_scores
from nmt_distill.evaluation.report import NoisyScore, NoisyScores, TestSetScores
from nmt_distill.evaluation.scoring import score_test_set
from nmt_distill.evaluation.speed import Speed, measure_speed
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.progress import say
from nmt_distill.scoring.contestant import Contestant
from nmt_distill.scoring.trial import Trial, run_trial
from nmt_distill.translation.engine import available_cores


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What is measured on every test set."""

    contestants: Sequence[Contestant]
    """in the order of the tables"""
    focus: str
    """the system whose worst sentences and examples are shown"""
    teacher: str | None
    """the system that agreement, share and changed sentences refer to"""
    comparisons: Sequence[tuple[str, str]] = ()
    """(system, baseline) pairs to test for significance"""
    speed_repetitions: int = 0
    """timed passes over each test set, of which the median counts; 0 measures no speed"""
    efficiency_sentences: int = 0
    """sentences for latency, throughput and memory, each system in a process of its own; 0 leaves them out"""
    count_tokens: Callable[[Sequence[str]], int] | None = None
    """counts source tokens, for all systems alike"""
    token_unit: str = "tokens"
    """what it counts"""
    sentencepiece: str | None = None
    """path of the SentencePiece model that counts, for the processes"""
    tokenizer: str = AUTO
    """of BLEU"""
    noises: Sequence[Noise] = ()
    """that the test sets are scored with as well"""
    outside_metrics: Sequence[OutsideMetricConfig] = ()
    """metrics of outside programs"""

    def read_outputs(self, texts: Sequence[TestText]) -> None:
        """Read the files of outputs once, so that what is wrong with one is told before anything is translated.

        :raises NmtDistillError: if one is missing, of another length, or the same for two test sets
        """
        for contestant in self.contestants:
            if contestant.outputs is not None:
                for text in texts:
                    contestant.outputs(text)

    def score(self, text: TestText) -> TestSetScores:
        """Let every system translate a text, score and time them."""
        outputs: dict[str, list[str]] = {}
        speeds: dict[str, Speed] = {}
        for contestant in self._serving(text):
            name = contestant.system.name
            say(f"{text.name}: {name} translates {counted(len(text.sources), 'sentence')}")
            outputs[name] = contestant.answer(text)
            if self.speed_repetitions and contestant.can_be_timed(text.direction):
                speeds[name] = measure_speed(
                    contestant.into(text.direction),
                    text.sources,
                    num_threads=available_cores(),
                    batch_rule=contestant.batch_rule,
                    decoding=contestant.decoding,
                    repetitions=self.speed_repetitions,
                    count_tokens=self.count_tokens,
                    token_unit=self.token_unit,
                )
        return score_test_set(
            name=text.name,
            direction=text.direction,
            sources=text.sources,
            references=text.references,
            outputs=outputs,
            speeds=speeds,
            teacher=self.teacher if self.teacher in outputs else None,
            focus=self.focus,
            comparisons=[pair for pair in self.comparisons if outputs.keys() >= {*pair}],
            origin=text.origin,
            licence=text.licence,
            text_may_be_published=text.text_may_be_published,
            references_by=text.references_by,
            tokenizer=self.tokenizer,
            outside={
                name: [sentence_scores(metric, text.sources, lines, text.references) for metric in self.outside_metrics]
                for name, lines in outputs.items()
            },
            robustness=[self._noisy_scores(noise, text) for noise in self.noises],
        )

    def _serving(self, text: TestText) -> list[Contestant]:
        return [contestant for contestant in self.contestants if contestant.serves(text.direction)]

    def _noisy_scores(self, noise: Noise, text: TestText) -> NoisyScores:
        noisy = add_noise(noise, text.sources, text.references)
        say(f"{text.name}: {noise.replace('_', ' ')} changes {counted(noisy.num_changed, 'sentence')}")
        scores = [
            self._noisy_score(contestant, noisy, text)
            for contestant in self._serving(text)
            if contestant.translate is not None
        ]
        return NoisyScores(noise=noise, num_changed=noisy.num_changed, seed=SEED, systems=tuple(scores))

    def _noisy_score(self, contestant: Contestant, noisy: NoisyText, text: TestText) -> NoisyScore:
        lines = contestant.into(text.direction)(noisy.sources)
        bleu = bleu_metric(text.direction.target, self.tokenizer)
        return NoisyScore(
            system=contestant.system.name,
            bleu=measure("BLEU", bleu, lines, noisy.references),
            chrf=measure("chrF2++", chrf_metric(), lines, noisy.references),
        )

    def efficiency(self, text: TestText) -> tuple[Efficiency, ...]:
        """Measure each system that a process of its own can load, on one core and on all."""
        if not self.efficiency_sentences:
            return ()
        sentences = _evenly_spaced(text.sources, self.efficiency_sentences)
        measured = []
        for contestant in self._serving(text):
            if contestant.what is None or not contestant.can_be_timed(text.direction):
                continue
            for num_cores in dict.fromkeys((1, available_cores())):
                say(f"latency and throughput of {contestant.system.name}, cores: {num_cores}")
                trial = Trial(
                    name=contestant.system.name,
                    what=contestant.what,
                    beam_size=contestant.beam_size,
                    source=text.direction.source,
                    target=text.direction.target,
                    sentences=sentences,
                    num_cores=num_cores,
                    repetitions=max(self.speed_repetitions, 3),
                    sentencepiece=self.sentencepiece,
                    token_unit=self.token_unit,
                )
                measured.append(run_trial(trial))
        return tuple(measured)


def _evenly_spaced(lines: Sequence[str], count: int) -> list[str]:
    """Take at most so many lines, evenly spaced, so that lengths are those of the whole."""
    taken = min(count, len(lines))
    return [lines[len(lines) * place // taken] for place in range(taken)]
