# SPDX-License-Identifier: Apache-2.0
import pytest

from rawhttp import Probe


@pytest.fixture
def start():
    """start(**args) -> Probe; each is shut down and checked for leftovers at the end."""
    probes = []

    def run(**args):
        probe = Probe(**args)
        probes.append(probe)
        return probe

    yield run
    for probe in probes:
        if probe.process.poll() is None:
            probe.finish()


@pytest.fixture(scope="module")
def probe():
    p = Probe()
    yield p
    p.finish()
