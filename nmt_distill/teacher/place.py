"""Where in a recipe a teacher is set, in errors that name its settings."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from contextlib import contextmanager

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.config import TeacherConfig

_KEYS = {field.name for kind in typing.get_args(TeacherConfig) for field in dataclasses.fields(kind)}
_SETTING = re.compile(rf"(?<![\w./])teacher\.(?=(?:{'|'.join(sorted(_KEYS))})\b)")


@contextmanager
def settings_at(place: str) -> Iterator[None]:
    """Let errors of a teacher name its settings by their whole path.

    A teacher does not know where in a recipe it is set, and names its settings as ``teacher.model``; one that is a
    direction's own stands in ``directions[1].teacher``.

    :param place: dotted path of the teacher in the recipe
    """
    try:
        yield
    except NmtDistillError as error:
        error.args = (_SETTING.sub(lambda _: f"{place}.", str(error)),)
        raise
