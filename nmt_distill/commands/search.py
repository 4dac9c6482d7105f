"""The verbs ``search`` and ``mine``: sentences that mean the same, in an index or in two texts."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nmt_distill.commands.arguments import Verbs, add_verb, whole_number
from nmt_distill.commands.embed import add_model, input_lines, open_encoder
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_sentences
from nmt_distill.output import check_output, output_file
from nmt_distill.progress import say


def add_verbs(verbs: Verbs) -> None:
    """Add the verbs to the command's parser."""
    search = add_verb(verbs, "search", "find sentences of an index that mean what a query means")
    search.add_argument("index", type=Path, metavar="INDEX", help="folder that `embed --index` has written")
    search.add_argument(
        "query", nargs="*", metavar="QUERY", help="sentence to search for (default: standard input, one on each line)"
    )
    add_model(search)
    search.add_argument(
        "--top", type=whole_number(), default=10, metavar="K", help="number of hits for each query (default: 10)"
    )
    search.add_argument("--exact", action="store_true", help="compare all vectors, even if the index has a graph")
    search.add_argument("--json", action="store_true", help="write hits as JSON objects, not as tab-separated text")
    search.set_defaults(run=run_search)

    mine = add_verb(verbs, "mine", "find parallel sentences in two texts, or judge those of aligned texts")
    mine.add_argument("source", type=Path, metavar="SOURCE", help="text of one language, a sentence a line")
    mine.add_argument("target", type=Path, metavar="TARGET", help="text of the other language")
    add_model(mine)
    mine.add_argument(
        "--min-margin",
        type=float,
        metavar="M",
        help="smallest cosine of a pair over the mean cosine to their 4 nearest sentences (default: 1.06)",
    )
    mine.add_argument("--aligned", action="store_true", help="line N of both texts is a pair: keep the good ones")
    mine.add_argument(
        "--output",
        type=Path,
        metavar="TSV",
        help="write source, target and margin, separated by tabs (default: standard output)",
    )
    mine.set_defaults(run=run_mine)


def run_search(arguments: argparse.Namespace) -> int:
    """Search as the arguments say; return the exit status."""
    from nmt_distill.embedding.index import SentenceIndex

    queries = list(_as_text(arguments.query))
    index = SentenceIndex(arguments.index, open_encoder(arguments))
    queries = queries or list(input_lines(None))
    for query, hits in zip(
        queries, index.search(queries, num_hits=arguments.top, exact=arguments.exact) if queries else [], strict=True
    ):
        for rank, hit in enumerate(hits, start=1):
            if arguments.json:
                print(json.dumps({"query": query, "rank": rank, **vars(hit)}, ensure_ascii=False))
            else:
                print(f"{hit.score:.4f}\t{hit.line}\t{hit.text}")
        if not arguments.json and len(queries) > 1:
            print()
    return 0


def _as_text(queries: Sequence[str]) -> Iterator[str]:
    """Read arguments as UTF-8, whatever the locale.

    :raises NmtDistillError: if one is not
    """
    for number, query in enumerate(queries, start=1):
        try:
            yield os.fsencode(query).decode()
        except UnicodeDecodeError:
            raise NmtDistillError(f"query {number} is not valid UTF-8; convert it with iconv.") from None
        if not query.strip():
            raise NmtDistillError(f"query {number} is empty, and finds nothing; leave it out.")


def run_mine(arguments: argparse.Namespace) -> int:
    """Mine as the arguments say; return the exit status."""
    from nmt_distill.embedding.mining import MIN_MARGIN, aligned_margins, mine

    least = MIN_MARGIN if arguments.min_margin is None else arguments.min_margin
    if math.isnan(least):
        raise NmtDistillError("--min-margin must be a number, but is nan instead.")
    if arguments.output is not None:
        check_output(arguments.output, inputs=(arguments.source, arguments.target))
    encoder = open_encoder(arguments)
    sources, targets = read_sentences(arguments.source), read_sentences(arguments.target)
    if arguments.aligned:
        pairs = [pair for pair in aligned_margins(sources, targets, encoder) if pair.margin >= least]
    else:
        pairs = mine(sources, targets, encoder, min_margin=least)
    lines = [f"{_cell(pair.source)}\t{_cell(pair.target)}\t{pair.margin:.4f}\n" for pair in pairs]
    if arguments.output is None:
        sys.stdout.writelines(lines)
    else:
        with output_file(arguments.output) as stream:
            stream.writelines(lines)
    both = f"{len(sources):,} and {counted(len(targets), 'sentence')}"
    say(f"{counted(len(pairs), 'pair')} of margin {least:g} or more, of {both}")
    return 0


def _cell(text: str) -> str:
    return text.replace("\t", " ")
