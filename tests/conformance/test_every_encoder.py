"""Every registered encoder keeps the contract; a new one is tested by being there."""

import pytest

from ossicle.encoders import encoders
from ossicle.encoders._conformance import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.promise)
@pytest.mark.parametrize("name", encoders.names())
def test_encoder(name, check):
    check.run(encoders.get(name))
