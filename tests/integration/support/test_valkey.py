"""The real server that other tests stand on."""

import pytest
import redis

from tests.support.valkey import ServerError, ValkeyServer


def test_session_server_is_durable(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        assert client.ping()
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        assert client.config_get("maxmemory") == {"maxmemory": str(256 * 1024 * 1024)}


def test_kill9_keeps_acknowledged_writes_and_the_port(valkey_server: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey_server.url, decode_responses=True) as client:
        client.set("kept", "yes")
        url = valkey_server.url
        valkey_server.kill9()
        assert not valkey_server.running
        valkey_server.restart()
        assert valkey_server.url == url
        assert client.get("kept") == "yes"


def test_stop_ends_a_paused_server_and_start_runs_it_again(valkey_server: ValkeyServer) -> None:
    valkey_server.pause()
    valkey_server.stop()
    assert not valkey_server.running
    valkey_server.start()
    assert valkey_server.running


def test_settings_replace_the_durable_ones() -> None:
    with (
        ValkeyServer({"appendonly": "no", "maxmemory": "64mb"}) as server,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_a_taken_port_is_told(valkey_server: ValkeyServer) -> None:
    with pytest.raises(ServerError, match="exited"), ValkeyServer(port=valkey_server.port):
        pass


def test_a_wrong_setting_is_told_with_the_log() -> None:
    with pytest.raises(ServerError, match="exited"), ValkeyServer({"appendfsync": "sometimes"}):
        pass
