"""The Redis inbox on a real server: the common suite, lost scripts and replies, full memory, a killed server."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from receivers import Event, Outcome, Receiver
from receivers.errors import InboxError
from receivers.inbox.base import Claimed, Done, Inbox, InProgress
from receivers.inbox.redis import RedisInbox
from tests.support.inbox_suite import InboxSuite
from tests.support.valkey import ValkeyServer
from tests.support.webhooks import SECRET, TIMESTAMP, event_body, signed_headers


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        yield client


async def entry_of(client: redis.asyncio.Redis, key: str | bytes) -> list[bytes]:
    """The parts of an entry: state, instant and token, or state and token."""
    value = await client.get(key)
    assert isinstance(value, bytes)
    return value.split(b":")


async def end_leases(client: redis.asyncio.Redis, prefix: str) -> None:
    """Move the end of every claim into the past: the server's clock cannot be moved."""
    for key in await client.keys(f"{prefix}*"):
        state, *_, token = await entry_of(client, key)
        if state == b"claimed":
            await client.set(key, b":".join([state, b"1", token]), keepttl=True)


@pytest.fixture
def prefix() -> str:
    return f"test:{secrets.token_hex(8)}:"


class TestRedisInbox(InboxSuite):
    @pytest.fixture
    def inbox(self, client: redis.asyncio.Redis, prefix: str) -> RedisInbox:
        self.client, self.prefix = client, prefix
        return RedisInbox(client, prefix=prefix)

    async def let_the_lease_pass(self, inbox: Inbox) -> None:
        await end_leases(self.client, self.prefix)

    async def let_the_ttl_pass(self, inbox: Inbox) -> None:
        for key in await self.client.keys(f"{self.prefix}*"):
            assert 0 < await self.client.pttl(key) <= inbox.ttl_seconds * 1000
            await self.client.pexpire(key, 0)


async def test_the_lease_is_by_the_servers_clock(client: redis.asyncio.Redis, prefix: str) -> None:
    inbox = RedisInbox(client, prefix=prefix, lease_seconds=45)
    await inbox.claim("evt_1")
    seconds, microseconds = await client.time()
    lease_until = int((await entry_of(client, inbox.key("evt_1")))[1])
    assert 44_000 < lease_until - (seconds * 1000 + microseconds // 1000) <= 45_000


async def test_scripts_come_back_after_the_server_forgot_them(client: redis.asyncio.Redis, prefix: str) -> None:
    inbox = RedisInbox(client, prefix=prefix)
    claim = await inbox.claim("evt_1")
    assert isinstance(claim, Claimed)
    await client.script_flush()
    assert await inbox.commit("evt_1", claim.token)
    await client.script_flush()
    assert await inbox.claim("evt_1") == Done()


async def test_a_client_that_decodes_answers_works_too(valkey_url: str, prefix: str) -> None:
    async with redis.asyncio.Redis.from_url(valkey_url, decode_responses=True) as client:
        inbox = RedisInbox(client, prefix=prefix)
        claim = await inbox.claim("evt_1")
        assert isinstance(claim, Claimed)
        assert isinstance(await inbox.claim("evt_1"), InProgress)
        assert await inbox.release("evt_1", claim.token)


async def test_the_same_claim_sent_again_after_a_lost_reply_is_claimed(
    client: redis.asyncio.Redis, prefix: str
) -> None:
    inbox = RedisInbox(client, prefix=prefix)
    sent: list[tuple[object, ...]] = []

    class Twice(redis.asyncio.Redis):
        async def execute_command(self, *arguments: object, **options: object) -> object:
            sent.append(arguments)
            await client.execute_command(*arguments)  # its reply is lost; redis-py sends the same again
            return await client.execute_command(*arguments)

    claim = await RedisInbox(Twice(), prefix=prefix).claim("evt_1")
    assert isinstance(claim, Claimed)
    assert claim.token in sent[0]
    assert await inbox.commit("evt_1", claim.token)


async def test_one_key_per_id_under_the_prefix(client: redis.asyncio.Redis, prefix: str) -> None:
    inbox = RedisInbox(client, prefix=prefix)
    for number in range(3):
        await inbox.claim(f"evt_{number}")
    assert sorted(await client.keys(f"{prefix}*")) == [f"{prefix}evt_{number}".encode() for number in range(3)]


async def test_a_key_that_holds_something_else_is_told(client: redis.asyncio.Redis, prefix: str) -> None:
    inbox = RedisInbox(client, prefix=prefix)
    await client.set(inbox.key("evt_1"), "mine")
    await client.lpush(inbox.key("evt_2"), "mine")
    for webhook_id in ("evt_1", "evt_2"):
        with pytest.raises(InboxError) as raised:
            await inbox.claim(webhook_id)
        assert raised.value.code == "inbox_unavailable"
    assert await client.get(inbox.key("evt_1")) == b"mine"


async def test_a_full_server_refuses_claims_but_takes_commits(valkey_server: ValkeyServer) -> None:
    inbox = RedisInbox.from_url(valkey_server.url)
    async with redis.asyncio.Redis.from_url(valkey_server.url) as client:
        first, second = await inbox.claim("evt_1"), await inbox.claim("evt_2")
        assert isinstance(first, Claimed)
        assert isinstance(second, Claimed)
        await client.config_set("maxmemory", "1mb")
        await client.config_set("maxmemory-policy", "noeviction")
        with pytest.raises(InboxError, match="maxmemory"):
            await inbox.claim("evt_3")
        assert await inbox.commit("evt_1", first.token)
        assert await inbox.release("evt_2", second.token)
    await inbox.aclose()


async def test_a_killed_server_loses_neither_claims_nor_done(valkey_server: ValkeyServer) -> None:
    inbox = RedisInbox.from_url(valkey_server.url)
    first, second = await inbox.claim("evt_1"), await inbox.claim("evt_2")
    assert isinstance(first, Claimed)
    assert isinstance(second, Claimed)
    assert await inbox.commit("evt_1", first.token)
    valkey_server.kill9()
    with pytest.raises(InboxError) as raised:
        await inbox.claim("evt_3")
    assert raised.value.code == "inbox_unavailable"
    await asyncio.to_thread(valkey_server.restart)
    assert await inbox.claim("evt_1") == Done()
    assert isinstance(await inbox.claim("evt_2"), InProgress)
    assert await inbox.commit("evt_2", second.token)
    await inbox.aclose()


async def test_the_same_message_a_hundred_times_at_once_over_two_receivers(valkey_url: str, prefix: str) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()
    runs = 0

    async def handler(event: Event) -> None:
        nonlocal runs
        runs += 1
        begun.set()
        await finish.wait()

    inboxes = [RedisInbox.from_url(valkey_url, prefix=prefix) for _ in range(2)]
    receivers = [Receiver(SECRET, inbox=inbox, now=lambda: TIMESTAMP) for inbox in inboxes]
    for receiver in receivers:
        receiver.on("*")(handler)
    body = event_body()
    sending = [receiver.handle(body, signed_headers(body)) for receiver in receivers for _ in range(50)]
    gathered = asyncio.gather(*sending)
    await begun.wait()
    finish.set()
    outcomes = [result.outcome for result in await gathered]
    assert runs == 1
    assert outcomes.count(Outcome.HANDLED) == 1
    assert set(outcomes) <= {Outcome.HANDLED, Outcome.IN_PROGRESS, Outcome.DUPLICATE}
    assert (await receivers[1].handle(body, signed_headers(body))).outcome is Outcome.DUPLICATE
    for inbox in inboxes:
        await inbox.aclose()


HANGS = """
import asyncio, sys
from receivers import Receiver
from receivers.inbox.redis import RedisInbox
from tests.support.webhooks import SECRET, TIMESTAMP, event_body, signed_headers

async def main():
    receiver = Receiver(SECRET, inbox=RedisInbox.from_url(sys.argv[1], prefix=sys.argv[2]), now=lambda: TIMESTAMP)

    @receiver.on("*")
    async def handler(event):
        print("begun", flush=True)
        await asyncio.Event().wait()

    await receiver.handle(event_body(), signed_headers(event_body()))

asyncio.run(main())
"""


async def test_a_receiver_killed_in_its_handler_loses_nothing(
    client: redis.asyncio.Redis, valkey_url: str, prefix: str
) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HANGS, valkey_url, prefix, stdout=asyncio.subprocess.PIPE
    )
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"begun\n"
    killed.kill()
    await killed.wait()
    receiver = Receiver(SECRET, inbox=RedisInbox(client, prefix=prefix), now=lambda: TIMESTAMP)
    handled: list[Event] = []
    receiver.on("*")(handled.append)
    body = event_body()
    assert (await receiver.handle(body, signed_headers(body))).outcome is Outcome.IN_PROGRESS
    await end_leases(client, prefix)
    assert (await receiver.handle(body, signed_headers(body))).outcome is Outcome.HANDLED
    assert len(handled) == 1
