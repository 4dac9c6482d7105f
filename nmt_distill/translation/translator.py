"""Translate lines of text with an exported model: line N of the answer translates line N of the question.

A line comes apart into sentences and what is copied between them (:mod:`nmt_distill.translation.layout`); what must
come through a sentence is protected (:mod:`nmt_distill.translation.protection`). Only ctranslate2, sentencepiece,
sentencex and numpy are needed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NoReturn

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.repetition import oscillates
from nmt_distill.translation.alphabet import Alphabet
from nmt_distill.translation.engine import END, Engine, Hypothesis, Wish, available_cores
from nmt_distill.translation.glossary import Glossary, read_glossary
from nmt_distill.translation.layout import Layout, joined
from nmt_distill.translation.model_folder import (
    CHECKSUMS_FILE,
    LANGUAGES_FILE,
    MODEL_FILE,
    VOCABULARY_FILE,
    VOCABULARY_MAP_FILE,
    read_model_folder,
    verify_checksums,
)
from nmt_distill.translation.packaged_models import find_model
from nmt_distill.translation.request import Request, check_count, checked_lines, choose_direction, refuse_one_text
from nmt_distill.translation.segmentation import split_to_fit
from nmt_distill.translation.sentence import Candidate, Sentence
from nmt_distill.translation.tally import ALL_WELL, IN_PIECES, UNTRANSLATED, Tally, total
from nmt_distill.translation.windows import answer_in_windows

WINDOW_LINES = 2048
"""lines that are sorted by length and translated together"""
LOOP_TOKENS = 12
"""fewest tokens of a translation that may run in circles"""
MOST = 256
"""threads, places of a beam and translations of a line that may be asked for"""


class Translator:
    """An exported model, ready to translate on the processor; any number of threads may use one at once.

    It cannot be copied to another process: make one in each, after a fork.

    :param folder: an export folder, like ``runs/quickstart/export/int8``, or the name of a packaged model; None takes
        the packaged one
    :param threads: processor cores to use; all that this process may use by default
    :param beam_size: width of the beam search; by default the one that the export was validated with
    :param glossary: a file of terms and their translations, separated by a tab
    :param vocabulary_map: whether the search uses the folder's vocabulary map, if there is one
    :param plain: translate lines as they are: without cutting them into sentences or protecting anything in them
    :raises NmtDistillError: if the folder is no export, a file in it is damaged, or an argument is out of range
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        threads: int | None = None,
        beam_size: int | None = None,
        glossary: str | Path | None = None,
        vocabulary_map: bool = True,
        plain: bool = False,
    ) -> None:
        if plain and glossary is not None:
            raise NmtDistillError("`glossary` and `plain` exclude each other: with `plain` no term is looked for.")
        for name, value in (("threads", threads), ("beam_size", beam_size)):
            if value is not None:
                check_count(name, value, MOST)
        self.folder = read_model_folder(find_model(folder))
        self._check_files()
        self.beam_size = beam_size or self.folder.beam_size
        self.tally = Tally()
        """over all calls so far; each candidate has its own"""
        self._tally_lock = threading.Lock()
        self._is_plain = plain
        self._glossary: Glossary | None = None if glossary is None else read_glossary(Path(glossary))
        self.engine = Engine(self.folder, num_workers=threads or available_cores(), vocabulary_map=vocabulary_map)
        self._alphabet = Alphabet(self.engine.pieces.reads, self.engine.pieces.is_name)
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"Translator({str(self.folder.path)!r}: {', '.join(map(str, self.directions))})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Translator cannot be pickled or copied; make one in each process")

    @property
    def directions(self) -> list[Direction]:
        """From which languages to which it translates."""
        return sorted(self.folder.tags)

    def _check_files(self) -> None:
        """Compare what is read with the checksums of the export, so that a damaged file is named before it misleads."""
        if (self.folder.path / CHECKSUMS_FILE).is_file():
            read = (MODEL_FILE, LANGUAGES_FILE, "config.json", VOCABULARY_FILE, VOCABULARY_MAP_FILE)
            verify_checksums(self.folder.path, (*read, self.folder.sentencepiece.name))

    def translate(
        self, lines: Iterable[str], *, target: str | None = None, source: str | None = None, markdown: bool = False
    ) -> list[str]:
        """Translate lines; the answer has as many, in the same order.

        Empty lines, space around text, characters such as tab and U+2028, and text without any letter come back as
        they are; so do placeholders, markup, addresses and code. What exceeds the model's positions is translated in
        pieces.

        :param target: language to translate into, such as ``de``; needed where the model has several
        :param source: language of the lines; needed where the model has several
        :param markdown: whether the lines are marked up as in Markdown
        :raises NmtDistillError: if the model does not know the language, or several fit
        :raises TypeError: if `lines` is one text, or one of them is no text
        """
        return [found[0].text for found in self._answer(lines, target, source, markdown, Wish())]

    def candidates(
        self,
        lines: Iterable[str],
        *,
        num_candidates: int = 1,
        scores: bool = True,
        target: str | None = None,
        source: str | None = None,
        markdown: bool = False,
    ) -> list[list[Candidate]]:
        """Translate lines; give several translations of each, with the model's score and what went wrong in it.

        :param num_candidates: most translations of a line; those that lose something protected are left out
        :param scores: whether scores are wanted; without them it is as fast as :meth:`translate`
        :return: the translations of each line, the best first; with `num_candidates` up to :attr:`beam_size` that one
            is the answer of :meth:`translate`. The other parameters and errors are those of :meth:`translate`.
        """
        check_count("num_candidates", num_candidates, MOST)
        return self._answer(lines, target, source, markdown, Wish(num_candidates=num_candidates, scores=scores))

    def translate_lines(
        self,
        lines: Iterable[str],
        *,
        target: str | None = None,
        source: str | None = None,
        markdown: bool = False,
        window: int = 4 * WINDOW_LINES,
    ) -> Iterator[str]:
        """Translate a stream of lines; memory does not grow with it.

        :param window: lines that are read before the first of them is answered. The other parameters and errors are
            those of :meth:`translate`; a wrong argument is an error of the call, not of the first answer.
        """
        check_count("window", window)
        refuse_one_text(lines)
        choose_direction(self.folder, source, target)
        stream = iter(lines)
        windows = iter(lambda: list(islice(stream, window)), [])
        return (
            found
            for chunk in windows
            for found in self.translate(chunk, target=target, source=source, markdown=markdown)
        )

    @property
    def num_untranslated(self) -> int:
        """Segments so far that stand in the translation as they were."""
        return self.tally.num_untranslated

    @property
    def num_unfinished(self) -> int:
        """Segments so far whose translation may lack its end."""
        return self.tally.num_unfinished

    def _answer(
        self, lines: Iterable[str], target: str | None, source: str | None, markdown: bool, wish: Wish
    ) -> list[list[Candidate]]:
        texts = checked_lines(lines)
        direction = choose_direction(self.folder, source, target)
        if os.getpid() != self._process:  # the engine's threads stay behind in a fork, so a search would never end
            raise NmtDistillError("this Translator was made in another process; make one in each, after the fork.")
        tag = self.folder.tags[direction]
        request = Request(direction=direction, tag=[] if tag is None else [tag], markdown=bool(markdown), wish=wish)
        answer = partial(self._answer_texts, request=request)
        answers = answer_in_windows(texts, WINDOW_LINES, answer, stop=request.stop)
        with self._tally_lock:
            self.tally += total(found[0].tally for found in answers)
        return answers

    def _answer_texts(
        self, texts: Sequence[str], request: Request, *, again: bool = True, guarded: bool = True
    ) -> list[list[Candidate]]:
        """Translate whatever there is to translate in the texts, each distinct sentence once.

        :param again: whether a segment whose translation fills all positions may be tried once more, in pieces
        :param guarded: whether there may be anything to protect
        """
        guarded = guarded and not self._is_plain
        layout = Layout(
            texts,
            request.direction,
            markdown=request.markdown,
            terms=self._glossary if guarded else None,
            alphabet=self._alphabet,
            guarded=guarded,
            plain=self._is_plain,
        )
        return layout.filled(self._answer_sentences(layout.sentences, request, again))

    def _answer_sentences(self, sentences: list[Sentence], request: Request, again: bool) -> list[list[Candidate]]:
        wish = request.wish
        answers = [
            [Candidate(text=sentence.copied, tally=UNTRANSLATED if sentence.is_unreadable else ALL_WELL)]
            for sentence in sentences
        ]
        for attention in (False, True):
            chosen = [
                number
                for number, sentence in enumerate(sentences)
                if sentence.has_letters and sentence.needs_attention == attention
            ]
            wanted = Wish(num_candidates=wish.num_candidates, scores=wish.scores, attention=attention)
            found = self._answer_segments([sentences[number].model_text for number in chosen], request, wanted, again)
            for number, candidates in zip(chosen, found, strict=True):
                restored = [sentences[number].restored(candidate) for candidate in candidates]
                answers[number] = [candidate for candidate in restored if candidate is not None]
        self._answer_in_pieces(sentences, answers, request)
        for number, sentence in enumerate(sentences):
            if sentence.is_broken:
                answers[number] = [replace(found, tally=found.tally + UNTRANSLATED) for found in answers[number]]
        return answers

    def _answer_in_pieces(self, sentences: list[Sentence], answers: list[list[Candidate]], request: Request) -> None:
        """Translate what stands between all that is protected, where a translation as a whole has lost some of it."""
        failed = []
        for number, found in enumerate(answers):
            if not found and sentences[number].is_guarded:
                failed.append(number)
            elif not found:
                answers[number] = [Candidate(text=sentences[number].text, tally=UNTRANSLATED)]
        pieces = [sentences[number].pieces() for number in failed]
        wanted = [text for row in pieces for text, is_wanted in row if is_wanted]
        parts = iter(self._answer_texts(wanted, request, guarded=False) if wanted else [])
        for number, row in zip(failed, pieces, strict=True):
            found = joined([next(parts) if is_wanted else text for text, is_wanted in row])
            if sentences[number].is_kept(found[0].text):
                whole = found[0].reading(sentences[number].keyed(found[0].text))
                answers[number] = [replace(whole, tally=whole.tally + IN_PIECES)]
            else:
                answers[number] = [Candidate(text=sentences[number].text, tally=UNTRANSLATED)]

    def _answer_segments(self, segments: list[str], request: Request, wish: Wish, again: bool) -> list[list[Candidate]]:
        pieces, tag, folder = self.engine.pieces, request.tag, self.folder
        limit = folder.max_source_tokens - len(tag) - 1
        tokens = pieces.encode(segments)
        fitting = [number for number, row in enumerate(tokens) if len(row) <= limit]
        answers = [[Candidate(text=segment, tally=UNTRANSLATED)] for segment in segments]
        for number, row in enumerate(tokens):
            if len(row) > limit:
                parts = split_to_fit(segments[number], limit=limit, lengths=pieces.lengths)
                if len(parts) > 1:
                    answers[number] = joined(self._answer_texts(parts, request, again=again, guarded=False))
        short = [segments[number] for number in fitting]
        found = self._search(short, [tokens[number] for number in fitting], request, wish)
        # one call for all: each sets threads up
        texts = iter(pieces.decode([hypothesis.tokens for hypotheses in found for hypothesis in hypotheses]))
        for number, hypotheses in zip(fitting, found, strict=True):
            best, read = hypotheses[0], list(islice(texts, len(hypotheses)))
            if again and not best.finished and len(best.tokens) >= folder.max_target_tokens:
                half = -(-len(tokens[number]) // 2)
                parts = split_to_fit(segments[number], limit=half, lengths=pieces.lengths, cut_words=False)
                if len(parts) > 1:
                    answers[number] = joined(self._answer_texts(parts, request, again=False, guarded=False))
                    continue
            if read[0]:
                answers[number] = [
                    Candidate.found(text, hypothesis, tokens[number], len(tag), has_score=wish.scores)
                    for text, hypothesis in zip(read, hypotheses, strict=True)
                    if text
                ]
        return answers

    def _search(
        self, segments: list[str], tokens: list[list[str]], request: Request, wish: Wish
    ) -> list[list[Hypothesis]]:
        """Search translations; those that run in circles a second time, with more care."""
        rows = [[*request.tag, *row, END] for row in tokens]
        search = partial(self.engine.search, beam_size=self.beam_size, stop=request.stop)
        found = search(rows, wish=wish)
        looping = [number for number, row in enumerate(found) if self._is_looping(segments[number], row[0])]
        if looping:
            careful = replace(wish, careful=True)
            second = search([rows[number] for number in looping], wish=careful)
            for number, row in zip(looping, second, strict=True):
                best = found[number][0]
                if row[0].tokens and not self._is_looping(segments[number], row[0]):
                    found[number] = row
                elif best.finished:
                    found[number] = [replace(best, repeating=True), *found[number][1:]]
        return found

    def _is_looping(self, segment: str, best: Hypothesis) -> bool:
        if (
            self._is_plain
            or len(best.tokens) < LOOP_TOKENS
            or (best.finished and 2 * len(set(best.tokens)) > len(best.tokens))
        ):
            return False
        (text,) = self.engine.pieces.decode([best.tokens])
        return not best.finished or oscillates(segment, text)
