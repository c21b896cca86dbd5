"""Every registered projector keeps the contract; a new one is tested by being there."""

import pytest

from ossicle.projectors import projectors
from ossicle.projectors._conformance import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.promise)
@pytest.mark.parametrize("name", projectors.names())
def test_projector(name, check):
    check.run(projectors.get(name))
