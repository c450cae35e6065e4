"""Every Redis key, from one place. A method's docstring says type, TTL, writer and reader.

All keys of partition n carry the same hash tag, so that each script stays in one slot. The tags are chosen such that
partitions spread evenly over the 16,384 slots of a cluster. The registry lives in one small slot of its own.
"""

from functools import lru_cache

from redis.crc import key_slot

SLOTS = 16_384
SUBJECT_BUCKETS = 64


@lru_cache(maxsize=1024)
def partition_tag(number: int, count: int) -> str:
    """The hash tag of a partition: the first `number.k` whose slot lies in the number-th of `count` equal ranges."""
    low, high = number * SLOTS // count, (number + 1) * SLOTS // count
    k = 0
    while not low <= key_slot(f"{number}.{k}".encode()) < high:
        k += 1
    return f"{number}.{k}"


class _Named:
    """A key that is called like its attribute; made on first use, then an ordinary attribute."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: "PartitionKeys", owner: type) -> str:
        key = instance.key(self._name)
        instance.__dict__[self._name] = key
        return key


class PartitionKeys:
    """The keys of one partition."""

    log = _Named()
    """stream, trimmed by retention; writer append.lua; readers dispatcher and API; fields h (header), d (data)"""
    ids = _Named()
    """hash given id -> ms, seq, digest; as long as the event; writer append.lua and trim.lua"""
    claims = _Named()
    """hash given id -> partition, digest, time, for ids whose event is elsewhere; writer claim.lua, unclaim.lua"""
    unclaim = _Named()
    """list of given ids whose claim in another slot can go; writers trim.lua, unclaim_done.lua; reader retention"""
    lease = _Named()
    """hash owner, token, beat; no TTL; writer take.lua, beat.lua, release.lua"""
    recorded = _Named()
    """string stream id up to which every delivery has a record; writer settle.lua"""
    counters = _Named()
    """hash hour:name -> count, the ledger; writer every transition; reader ledger and metrics"""
    fanned = _Named()
    """stream with the log's ids, field e = packed endpoint numbers; writer settle.lua; reader API, retention"""
    unmatched = _Named()
    """stream of the ids of events that matched nobody; writer settle.lua; reader API"""
    open = _Named()
    """zset packed delivery key by acceptance: pending, scheduled and held records; writers settle.lua, place.lua"""
    dead = _Named()
    """zset packed delivery key by acceptance, the dead letters; writers settle.lua, place.lua, trim.lua"""
    due = _Named()
    """zset packed delivery key by due time (store ms); writers settle.lua, place.lua; reader the owner"""
    order = _Named()
    """zset of the open deliveries that stand in line, all scores 0: endpoint (4 bytes), chain (4), ms (6), seq (4),
    run (4); writers settle.lua, place.lua; reader the owner"""
    lanes = _Named()
    """set of endpoint numbers that have a lane; writers settle.lua, place.lua; reader the owner"""
    work = _Named()
    """hash packed delivery key -> order to send it (manual or replay); writers order.lua, settle.lua; reader owner"""
    late = _Named()
    """hash stream id -> packed (endpoint, run) of deliveries that `fanned` lacks; writers settle.lua, trim.lua"""
    replayed = _Named()
    """hash run:name -> count, the progress of replays; writer settle.lua; reader API"""
    outbox = _Named()
    """hash endpoint:kind -> newest dead letter, its count, the last call that took some off; writers settle.lua,
    outbox_done.lua; reader dispatchers"""
    timing = _Named()
    """hash histogram bucket -> attempts, and `sum` in microseconds; writer settle.lua; reader metrics"""
    kept = _Named()
    """hash stream id -> header and data of trimmed events with open deliveries; writer trim.lua"""
    trimmed = _Named()
    """hash hour:name -> what retention removed, for the ledger's recount; writer trim.lua"""

    def __init__(self, number: int, count: int) -> None:
        self.number = number
        self._prefix = f"hl:{{{partition_tag(number, count)}}}:"

    def key(self, name: str) -> str:
        """The key of that name; for this module alone."""
        return self._prefix + name

    def flush(self, token: str) -> str:
        """string with the answers of one flush, TTL 60 s; writer and reader append.lua."""
        return f"{self._prefix}flush:{token}"

    def type_index(self, event_type: str) -> str:
        """stream of the ids of events of one type; writer append.lua; reader API."""
        return f"{self._prefix}type:{event_type}"

    @property
    def types(self) -> str:
        """set of event types that have an index; writer append.lua; reader API and replays."""
        return self._prefix + "types"

    def subject_index(self, bucket: int) -> str:
        """stream of the ids of events whose subject hashes to the bucket; writer append.lua; reader API."""
        return f"{self._prefix}subject:{bucket}"

    def records(self, minute: int) -> str:
        """hash packed delivery key -> record, by minute of acceptance; writer settle.lua."""
        return f"{self._prefix}rec:{minute}"

    def attempts(self, minute: int) -> str:
        """hash packed delivery key + attempt number -> attempt; writer settle.lua; reader API."""
        return f"{self._prefix}att:{minute}"

    def endpoint_index(self, endpoint: int) -> str:
        """stream of the ids of events delivered to one endpoint, in log order; writer settle.lua; reader API."""
        return f"{self._prefix}ep:{endpoint}"

    def late_index(self, endpoint: int) -> str:
        """zset packed delivery key by acceptance, the late deliveries of one endpoint; writers settle.lua, trim.lua."""
        return f"{self._prefix}late:{endpoint}"

    def lane(self, endpoint: int) -> str:
        """zset packed delivery key by acceptance, what waits for one endpoint; writers settle.lua, place.lua."""
        return f"{self._prefix}lane:{endpoint}"


class RegistryKeys:
    """The keys of the registry's slot."""

    _prefix = "hl:{registry}:"
    meta = _prefix + "meta"
    """hash partitions, next endpoint number, next run, cursor key; writer registry scripts; read at start"""
    subscribers = _prefix + "subscribers"
    """hash id -> subscriber; writer registry scripts; reader API and dispatcher"""
    endpoints = _prefix + "endpoints"
    """hash id -> endpoint with its encrypted secrets; writer registry scripts; reader API and dispatcher"""
    numbers = _prefix + "numbers"
    """hash endpoint number -> endpoint id and subscriber, kept after deletion; reader API"""
    changes = _prefix + "changes"
    """stream of changes: kind, id; trimmed to the last 10,000; writer registry scripts; readers dispatcher, gateway"""
    health = _prefix + "health"
    """hash endpoint number -> health; writer health.lua; reader API"""
    filter_errors = _prefix + "filter_errors"
    """hash endpoint number -> how often its filter had no answer, and why; writer filter_errors.lua; reader API"""
    outbox = _prefix + "outbox"
    """hash endpoint number:kind -> operational event to publish; writer registry scripts; reader dispatchers"""
    breakers = _prefix + "breakers"
    """hash endpoint number -> state of its breaker, none when closed; writer registry_swap.lua; readers dispatchers"""
    members = _prefix + "members"
    """hash dispatcher id -> beat; writer member.lua; readers dispatchers and doctor"""
    api_keys = _prefix + "api_keys"
    """hash SHA-256 of the key -> name, scopes; writer api_keys; reader gateway"""
    replays = _prefix + "replays"
    """hash replay id -> replay; writer replays; readers API and worker"""
    replay_order = _prefix + "replay_order"
    """zset replay id by creation; writer replays; reader API"""
