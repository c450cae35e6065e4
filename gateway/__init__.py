"""The gateway: takes events in, answers the API, and owns everything in Redis.

Two halves. The front half is run by the gateway process alone:

    api       one module per resource; `http1` is the server under it, `app` mounts the hot route first
    ingest    bytes -> event, strictly; concurrent events -> one flush -> 202 after fsync, or 503
    cli       `hookline`: the supervisor, the demo, doctor, ledger, keys
    problems  every RFC 9457 problem: code, status, way out

The shared half is the only part that the dispatcher may import:

    settings, clock, ids, logs, tasks, model, wire
    matching  which endpoints get an event; filters: one CEL expression per endpoint, bounded
    registry_mirror   the registry in memory, following its change stream
    egress    which addresses and URLs a webhook may go to
    store     every key and every script, one noun a module

Invariants: the gateway never writes a delivery's state, it leaves orders for the partition's owner; what was
acknowledged is on disk; nothing is stored when a 4xx is answered. An import contract keeps the halves apart.
"""
