"""Which member owns which partition: pure.

Rendezvous hashing, bounded by ceil(partitions / members): each partition goes to the member with the highest score
that still has room. Every member computes the same from the same list, and few partitions move when one comes or goes.
"""

import hashlib
from collections.abc import Collection


def assign(members: Collection[str], partitions: int) -> dict[int, str]:
    """The owner of each partition; empty without members. Loads differ by at most one."""
    if not members:
        return {}
    least, extra = divmod(partitions, len(members))
    load = dict.fromkeys(members, 0)
    owners: dict[int, str] = {}
    for partition in range(partitions):
        full = sum(1 for count in load.values() if count > least)
        room = [m for m in load if load[m] < least or (load[m] == least and full < extra)]
        owner = max(room, key=lambda member: _score(member, partition))
        owners[partition] = owner
        load[owner] += 1
    return owners


def _score(member: str, partition: int) -> bytes:
    return hashlib.blake2b(f"{partition} {member}".encode(), digest_size=8).digest()
