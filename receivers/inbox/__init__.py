"""Deduplication on the receiving side: `base` says what an inbox promises, `memory` and `redis` keep the promise.

`redis` is imported by name (`from receivers.inbox.redis import RedisInbox`), because it alone needs that client.
"""
