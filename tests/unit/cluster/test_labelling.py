from __future__ import annotations

import sys

import pytest

from nmt_distill.cluster.labelling import load_ray
from nmt_distill.errors import NmtDistillError


def test_missing_library_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NmtDistillError, match=r"^--ray needs the library ray .* pip install 'nmt-distill\[ray\]'\.$"):
        load_ray()
