import pytest

from gateway.store import durability, errors, vault


@pytest.mark.parametrize(
    ("error", "code", "named"),
    [
        (errors.AlreadyExists("endpoint", "ep_1"), "already_exists", "endpoint ep_1"),
        (errors.SubscriberMissing("acme"), "subscriber_missing", "acme"),
        (errors.KindFixed("acme"), "kind_fixed", "acme"),
        (errors.Conflict("replay", "rpl_1"), "conflict", "replay rpl_1"),
        (errors.PartitionCountError(4, 16), "partition_count", "HOOKLINE_PARTITIONS=4"),
        (durability.DurabilityRefused((durability.Risk("aof_off", "why"),)), "durability", "aof_off: why"),
        (vault.VaultError("no key"), "vault", "no key"),
    ],
)
def test_every_error_has_a_stable_code_and_names_the_thing(error: errors.StoreError, code: str, named: str) -> None:
    assert error.code == code
    assert named in str(error)


def test_a_wrong_partition_count_names_both_counts() -> None:
    text = str(errors.PartitionCountError(4, 16))
    assert "4 partitions" in text
    assert "16 are configured" in text
