"""Redis servers, asked about their databases."""

import pytest

redis = pytest.importorskip("redis")


def redis_client(server):
    """Connect to a server's database."""
    return redis.Redis.from_url(server.url, decode_responses=True)


def keys_of(url, number):
    """Give the keys of a database."""
    with redis.Redis.from_url(url.rpartition("/")[0] + f"/{number}", decode_responses=True) as client:
        return sorted(client.keys())
