"""A library with real files."""

import pytest
from fake_models import FakeModels, opened


@pytest.fixture
def host(tmp_path):
    return FakeModels(tmp_path / "models")


@pytest.fixture
async def parts(host, tmp_path):
    async with opened(host, tmp_path) as found:
        yield found


@pytest.fixture
def lib(parts):
    return parts[0]


@pytest.fixture
def told(parts):
    return parts[1]
