"""Everything in Redis, for gateway and dispatcher: one noun a module, every key from `keys`, every write a script.

    connection, wire, scripts, keys        how it is reached; `wire` is the way past redis-py's pipeline
    durability, errors                     a store that loses data is refused; what goes wrong
    log, event_list                        events: append and claim; lists of them
    deliveries, schedule, rebuild          records and the places derived from them: due, lanes, open, dead
    work, replay_orders, jobs              orders to a partition's owner; the operator jobs behind replays
    leases, members                        who owns a partition, who is alive
    registry, changes, health, operational subscribers and endpoints; their change stream; what is told of them
    vault, endpoint_secrets                secrets at rest, and those of endpoints
    api_keys, replays                      who may call; replays and how far they are
    retention, ledger, outbox              what leaves; the recount; dead letters to be announced
    walk, delivery_list, endpoint_names    ordered lists with bounded work
    embedded                               the Valkey that comes along

Invariants: a script touches the keys of one slot; it may be run again with the same arguments without writing twice,
since a reply can be lost; a record changes only from the record expected; nothing is trimmed before it is recorded.
It refuses raw XADD and MAXLEN, which lose silently.
"""
