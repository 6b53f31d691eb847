"""The essential figures of the simulation of extended runs, with few draws."""

import numpy as np
import pytest

from tare.bench.tools.simulations.extensions import simulate
from tare.bench.tools.simulations.scheduling import NOISES


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, 0.03])
def test_extending_what_is_undecided_leaves_coverage_and_false_calls_as_they_are(effect):
    random = np.random.default_rng(1)
    found = [
        simulate(random, noise, spread, blocks, effect)
        for noise in NOISES.values()
        for spread, blocks in ((0.015, 20), (0.04, 45))
        for _ in range(25)
    ]
    assert sum(one.extended for one in found) > 20
    assert np.mean([one.covered for one in found]) >= 0.94
    wrong = {"worse", "better"} if effect == 0 else {"same", "better"}
    assert sum(one.verdict in wrong for one in found) <= 1
