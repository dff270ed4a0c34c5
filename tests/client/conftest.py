"""What the client's tests share: a scripted server, and waits that take no time."""

import pytest
from fake_server import FakeResolver, Hours, start_fake


@pytest.fixture
def fake():
    """A scripted resolver behind a server of its own: calls that one test cancelled can't reach the next one's."""
    resolver = FakeResolver()
    server = start_fake(resolver)
    yield resolver
    server.stop(None).wait()


@pytest.fixture
def target(fake):
    return fake.target


@pytest.fixture(scope="module")
def lasting_fake():
    """A scripted resolver for a property test, whose every example ends all of its calls."""
    resolver = FakeResolver()
    server = start_fake(resolver)
    yield resolver
    server.stop(None).wait()


@pytest.fixture
def hours():
    return Hours()
