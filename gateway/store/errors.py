"""What the store refuses. Errors of the connection itself are redis-py's; see connection.is_unavailable."""


class StoreError(Exception):
    """Root of the package: `code` is stable; the text names the thing, the value and the way out."""

    code = "store_error"


class AlreadyExists(StoreError):
    """An object of this kind has the id; nothing was written."""

    code = "already_exists"

    def __init__(self, kind: str, object_id: str) -> None:
        super().__init__(f"{kind} {object_id} exists already; choose another id, or replace it with PUT")
        self.kind = kind
        self.id = object_id


class SubscriberMissing(StoreError):
    """The subscriber of a new endpoint does not exist (any more); nothing was written."""

    code = "subscriber_missing"

    def __init__(self, subscriber: str) -> None:
        super().__init__(f"subscriber {subscriber} does not exist; create it first")
        self.id = subscriber


class KindFixed(StoreError):
    """The kind of a subscriber was to be changed; it decides what may be sent to it, so it is fixed at creation."""

    code = "kind_fixed"

    def __init__(self, subscriber: str) -> None:
        super().__init__(f"subscriber {subscriber} has another kind, which is fixed; create a second subscriber")
        self.id = subscriber


class Conflict(StoreError):
    """The object changed, or went, since it was read; read it again and decide again."""

    code = "conflict"

    def __init__(self, kind: str, object_id: str) -> None:
        super().__init__(f"{kind} {object_id} was changed by someone else meanwhile; read it again and repeat")
        self.kind = kind
        self.id = object_id


class PartitionCountError(StoreError):
    """The deployment was made with another number of partitions."""

    code = "partition_count"

    def __init__(self, stored: int, asked: int) -> None:
        super().__init__(
            f"this store was made with {stored} partitions, but {asked} are configured: the count is fixed at the "
            f"first start; set HOOKLINE_PARTITIONS={stored}, or use an empty store"
        )
        self.stored = stored
        self.asked = asked
