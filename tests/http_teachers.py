"""Teachers that are servers: what the small server answers on both APIs, and how teachers of it are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nmt_distill.languages import Direction
from nmt_distill.teacher.http.teacher import HttpTeacher
from tests.servers import Asked, Reply

EN_PT = Direction(source="en", target="pt-BR")
LINES = [f"line {number}" for number in range(20)]
MakeTeacher = Callable[..., HttpTeacher]


def choice(text: Any, finish_reason: str = "stop") -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}


def shout(asked: Asked) -> Reply:
    """Answer as both APIs do: the text in capitals, alternatives numbered."""
    if asked.path == "/translate":
        texts = [asked.body["q"].upper(), *(f"{number}" for number in range(asked.body.get("alternatives", 0)))]
        return Reply({"translatedText": texts[0]} | ({"alternatives": texts[1:]} if len(texts) > 1 else {}))
    text = asked.body["messages"][0]["content"].split("\n")[-1].upper()
    num_choices = asked.body.get("n", 1)
    return Reply({"choices": [choice(text + "!" * number) for number in range(num_choices)]})


def texts(teacher: HttpTeacher, lines: list[str], **more: Any) -> list[list[str]]:
    return [[found.text for found in answer] for answer in teacher.translate(lines, **more)]
