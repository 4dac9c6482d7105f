from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.training.config import PhaseConfig
from nmt_distill.training.phase_faults import require_state_width


def test_decoder_states_of_another_width() -> None:
    plain = PhaseConfig(num_steps=1, learning_rate=1e-3)
    imitating = PhaseConfig(num_steps=1, learning_rate=1e-3, state_weight=1.0)
    require_state_width([plain, imitating], model_dim=64, state_dim=64)
    require_state_width([plain], model_dim=32, state_dim=64)
    told = (
        r"^training\.phases\[1\]\.state_weight must be 0 where student\.model_dim is 32 and the teacher's decoder "
        r"states are 64 wide; hidden, which projects the student's states, takes layers of other widths\.$"
    )
    with pytest.raises(NmtDistillError, match=told):
        require_state_width([plain, imitating], model_dim=32, state_dim=64)
