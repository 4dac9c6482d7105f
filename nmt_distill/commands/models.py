"""The verb ``models``: what came with this installation."""

from __future__ import annotations

import argparse
import json

from nmt_distill.commands.arguments import Verbs, add_verb
from nmt_distill.progress import say
from nmt_distill.translation.packaged_models import models_folder, packaged_models


def add_verbs(verbs: Verbs) -> None:
    """Add the verb to the command's parser."""
    models = add_verb(verbs, "models", "list the models that came with this installation")
    models.add_argument("--json", action="store_true", help="print JSON")
    models.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the models, with their scores and licences; return the exit status.

    :raises NmtDistillError: if one of them is damaged
    """
    models = packaged_models()
    if not models:
        say(f"no model is packaged in {models_folder()}; give --model of `translate` the folder of an export.")
    if arguments.json:
        print(json.dumps([model.content() for model in models], ensure_ascii=False, indent=1))
    elif models:
        print("\n".join(line for model in models for line in model.in_words()))
    return 0
