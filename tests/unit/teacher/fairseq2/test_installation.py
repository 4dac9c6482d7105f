from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.config import Fairseq2TeacherConfig
from nmt_distill.teacher.fairseq2.installation import TORCH_VERSION, check_fairseq2
from nmt_distill.teacher.loading import fetch_teacher, load_teacher

SNDFILE = (
    "fairseq2 requires libsndfile. Use your system package manager to install it (e.g. `apt install libsndfile1`)."
)
CUDART = "libcudart.so.12: cannot open shared object file: No such file or directory"
CONFIG = Fairseq2TeacherConfig(name="nllb-200_dense_distill_600m", origin="a test", licence="none")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module ``fairseq2`` before any other, beside the torch that it wants."""
    (tmp_path / "fairseq2.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "fairseq2", raising=False)
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: f"{TORCH_VERSION}+cu128" if name == "torch" else version(name)
    )
    return tmp_path / "fairseq2.py"


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fairseq2" else find_spec(name))


def test_nothing_is_said_where_nothing_is_missing(installed: Path) -> None:
    check_fairseq2()
    assert Path(str(sys.modules.pop("fairseq2").__file__)) == installed


@pytest.mark.usefixtures("not_installed")
@pytest.mark.parametrize("use", ["check", "fetch", "load"])
def test_fairseq2_is_not_installed(use: str) -> None:
    direction = Direction(source="en", target="de")
    uses: dict[str, Callable[[], object]] = {
        "check": check_fairseq2,
        "fetch": lambda: fetch_teacher(CONFIG),
        "load": lambda: load_teacher(CONFIG, direction=direction, device="cpu"),
    }
    with pytest.raises(
        NmtDistillError,
        match=r"^teacher\.kind is fairseq2, but fairseq2 is not installed; give it an environment of its own, of "
        r"Python 3\.10 to 3\.12 on Linux, with `pip install 'nmt-distill\[train,fairseq2\]'`, which brings torch "
        r"2\.9\.1 and transformers 4\.57\.$",
    ):
        uses[use]()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("found", ["2.13.0+cpu", "2.9.0", "2.10.1+cu128"])
def test_another_torch(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: found)
    shown = found.split("+")[0]
    with pytest.raises(NmtDistillError, match=rf"is built for torch 2\.9\.1, but torch here is {shown}; give it an"):
        check_fairseq2()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            f"OSError({SNDFILE!r})",
            r"^fairseq2 needs the system's library libsndfile, which is missing; install Debian's package libsndfile1 ",
        ),
        (
            f"OSError({CUDART!r})",
            r"^fairseq2 cannot be imported \(libcudart\.so\.12: .*\); .* the build of torch for CUDA",
        ),
        (
            "ImportError('undefined symbol: _ZN3c10')",
            r"^fairseq2 cannot be imported \(undefined symbol: _ZN3c10\); give",
        ),
        (
            "RuntimeError('fairseq2 requires a CUDA 12.8 build of PyTorch 2.9.1')",
            r"^fairseq2 cannot be imported \(fairseq2 requires a CUDA 12\.8 build of PyTorch 2\.9\.1\); give it an",
        ),
    ],
)
def test_an_import_that_fails_is_told_with_its_remedy(installed: Path, error: str, told: str) -> None:
    installed.write_text(f"raise {error}")
    with pytest.raises(NmtDistillError, match=told):
        check_fairseq2()


def test_the_weights_are_converted_without_fairseq2() -> None:
    program = "import sys, nmt_distill.teacher.fairseq2.interop, nmt_distill.teacher.fairseq2.folder\n"
    program += "print({'fairseq2', 'fairseq2n'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.returncode) == ("set()", 0), result.stderr


def test_the_torch_is_that_of_the_extra(request: pytest.FixtureRequest) -> None:
    content = (request.config.rootpath / "pyproject.toml").read_text(encoding="utf-8")
    extra = content.split("\nfairseq2 = [")[1].split("\n]")[0]
    assert f'"torch=={TORCH_VERSION}"' in extra
    assert '"fairseq2==0.8.*"' in extra
