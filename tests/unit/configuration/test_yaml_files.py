from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.configuration import apply_overrides, read_yaml, write_yaml
from nmt_distill.errors import NmtDistillError, RecipeError


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "recipe.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_mapping_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a: 1\nb: {c: [x, é]}\n")
    assert read_yaml(path) == {"a": 1, "b": {"c": ["x", "é"]}}


@pytest.mark.parametrize("content", ["", "\n# nothing yet\n", "---\n"])
def test_empty_file_is_an_empty_mapping(tmp_path: Path, content: str) -> None:
    assert read_yaml(written(tmp_path, content)) == {}


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, b"\xef\xbb\xbfa: 1\n")) == {"a": 1}


def test_merge_keys_and_anchors_are_no_repeated_keys(tmp_path: Path) -> None:
    path = written(tmp_path, "x: &x {p: 1}\ny: &y {q: 2}\nz:\n  <<: *x\n  r: *y\n  s: *y\n")
    assert read_yaml(path)["z"] == {"p": 1, "r": {"q": 2}, "s": {"q": 2}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", r"recipe\.yaml, line 3: not valid YAML \(.+\)\.$"),
        ("a: 1\n  b: 2\n", r"recipe\.yaml, line 2: not valid YAML \(mapping values are not allowed here\)\.$"),
        ("a: *nobody\n", r"recipe\.yaml, line 1: not valid YAML \(found undefined alias 'nobody'\)\.$"),
        ("a: 1\n---\nb: 1\n", r"recipe\.yaml, line 2: not valid YAML \(but found another document\)\.$"),
        ("a: !!python/name:os.system x\n", r"recipe\.yaml, line 1: not valid YAML \(could not determine a constructor"),
        ("a: 2026-13-45\n", r"recipe\.yaml: not valid YAML \(month must be in 1\.\.12.*\)\.$"),
        ("a: \x01\n", r"recipe\.yaml: not valid YAML \(unacceptable character .+\)\.$"),
        ("- a\n- b\n", r"recipe\.yaml must hold keys and values, but holds a list of 2 items instead\.$"),
        ("just text\n", r"recipe\.yaml must hold keys and values, but holds the text 'just text' instead\.$"),
        (b"a: 1\nb: \xff\n", r"recipe\.yaml, line 2: not valid UTF-8; save the file as UTF-8\.$"),
        ("[" * 5000, r"recipe\.yaml(, line 1)?: not valid YAML \(.+\)\.$"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(NmtDistillError, match=message) as raised:
        read_yaml(written(tmp_path, content))
    assert "\n" not in str(raised.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"nothing\.yaml does not exist\.$"):
        read_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(NmtDistillError, match=r"is a folder, but must be a YAML file\.$"):
        read_yaml(tmp_path)


def test_keys_that_stand_twice_are_told_with_path_and_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "a: 1\nb:\n- {}\n- c: 1\n  d: 2\n  c: 3\na: 2\n")
    with pytest.raises(RecipeError) as raised:
        read_yaml(path)
    assert sorted(raised.value.faults) == [
        "a stands twice, in lines 1 and 7; keep one of them",
        "b[1].c stands twice, in lines 4 and 6; keep one of them",
    ]


def test_written_yaml_reads_back(tmp_path: Path) -> None:
    content = {"z": 1, "a": {"no": "no", "date": "2026-01-01", "text": "é: #", "rate": 1e-05}, "l": [True, None]}
    path = tmp_path / "out" / "recipe.yaml"
    write_yaml(path, content)
    assert read_yaml(path) == content
    assert list(read_yaml(path)) == ["z", "a", "l"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a=1", {"a": 1}),
        ("a = 1", {"a": 1}),
        ("a=", {"a": None}),
        ("a.b=text with = and spaces", {"a": {"b": "text with = and spaces"}}),
        ("a.b.c=[de, 'no']", {"a": {"b": {"c": ["de", "no"]}}}),
        ("a={kind: file, path: x}", {"a": {"kind": "file", "path": "x"}}),
        ("a='no'", {"a": "no"}),
        ("a=note: this", {"a": "note: this"}),
        ("a=- b", {"a": "- b"}),
        ("a[0]=x", {"a": ["x"]}),
        ("a[0].pt-BR=true", {"a": [{"pt-BR": True}]}),
    ],
)
def test_override_of_nothing(override: str, expected: dict[str, Any]) -> None:
    assert apply_overrides({}, [override]) == expected


def test_overrides_change_what_they_name_and_leave_the_given_content() -> None:
    content = {"student": {"dim": 8, "depth": 2}, "sources": [{"path": "a"}, {"path": "b"}], "empty": None}
    result = apply_overrides(
        content,
        ["student.dim=16", "sources[1].path=c", "sources[2].path=d", "empty.x=1", "student.dim=32"],
    )
    assert result == {
        "student": {"dim": 32, "depth": 2},
        "sources": [{"path": "a"}, {"path": "c"}, {"path": "d"}],
        "empty": {"x": 1},
    }
    assert content == {"student": {"dim": 8, "depth": 2}, "sources": [{"path": "a"}, {"path": "b"}], "empty": None}


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("a.b", "a.b must look like section.key=value or list[0].key=value"),
        ("=1", "=1 must look like"),
        ("a..b=1", "a..b=1 must look like"),
        (".a=1", ".a=1 must look like"),
        ("a.=1", "a.=1 must look like"),
        ("[0]=1", "[0]=1 must look like"),
        ("a[x]=1", "a[x]=1 must look like"),
        ("a.[0]=1", "a.[0]=1 must look like"),
        ("a[0]b=1", "a[0]b=1 must look like"),
        ("number.x=1", "number.x cannot be set: number is 5, not a section"),
        ("list.x=1", "list.x cannot be set: list is a list of 1 item, not a section"),
        ("section[0]=1", "section[0] cannot be set: section is a section with keys, not a list"),
        ("list[2]=1", "list[2] cannot be set: list is a list of 1 item, counted from 0"),
        ("a=[1", "a must be set to YAML, but '[1' is none; put text in quotes of its own"),
        ("a=*x", "a must be set to YAML, but '*x' is none"),
        ("a={x: 1, x: 2}", "a.x stands twice, in lines 1 and 1"),
    ],
)
def test_override_that_cannot_be_followed(override: str, fault: str) -> None:
    with pytest.raises(RecipeError) as raised:
        apply_overrides({"number": 5, "list": [1], "section": {"x": 1}}, [override])
    (told,) = raised.value.faults
    assert told.startswith(fault)


def test_all_wrong_overrides_are_told_together() -> None:
    with pytest.raises(
        RecipeError, match=r"^--set has 2 faults: \(1\) a must look like .+; \(2\) b must look like "
    ) as e:
        apply_overrides({}, ["a", "c=1", "b"])
    assert len(e.value.faults) == 2


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)


@given(
    path=st.lists(names, min_size=1, max_size=4), value=st.integers() | st.booleans() | st.none() | st.text("abc xyz")
)
def test_value_arrives_where_the_path_says(path: list[str], value: object) -> None:
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
    place: Any = apply_overrides({}, [f"{'.'.join(path)}={text}"])
    for name in path:
        place = place[name]
    assert place == value
