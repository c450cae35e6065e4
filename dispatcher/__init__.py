"""The dispatcher: reads the log, attempts each delivery, and records what became of it, for the partitions it owns.

    log --reader--> registry_view, matching --> holds --> lanes --> attempts --> sender --> wire
                                                 ^ ^                  |
                    retries, orders, backlog ----+ |               outcome (pure)
                    chains, breakers (terms) ------+                  |
                    settle.lua <--settler-- partition <---------------+
                    records, places, counters and the mark move together

A dispatcher is one process. It may be killed at any time: what it knows beyond the store is what is in flight.

| loop | every turn |
|---|---|
| `membership` | beats, sees who lives, hands partitions over and takes them (`assignment`: who shall own what, pure) |
| `reader` | reads the logs after its cursors and the registry's changes, fans each event out |
| `retries` | takes what is due, what is ordered (`orders`), and what only waits its turn (`backlog`) |
| `holds` | says where a delivery waits: paused, breaker, order, lane; turns a lane into held when it is paused |
| `breakers` | opens, closes and probes the breakers of endpoints |
| `probes` | tries endpoints again that were disabled as failing |
| `sweeper` | ends what is open for endpoints that were switched off |
| `settler` | sends what has ended, one script per partition, all in one round trip |
| `operational` | publishes what subscribers are told about their endpoints |
| `health` | reports how endpoints do; those that fail for too long are disabled |
| `retention` | trims what is old, early when memory is short |
| `repair` | looks whether derived keys went missing, and makes them again |

`partition` holds what one owned partition has in hand, `delivery` one delivery in hand, `lanes` who goes next at an
endpoint under its `terms`, `chains` who stands in line for which ordering key; `loader` reads what the store has,
`request` makes the bytes (`signatures`, `profiles`), `backoff` the waits; `process` wires it all; `sender` is the HTTP
client, `jobs` the operator jobs, which have a process of their own.

States of a delivery here; the store has those of `gateway.model.delivery`:

    read --> waiting in memory --> running --> outcome queued --> settled
      |         | too long, or a lane       ^
      |         v                           |
      +--> pending in its lane -------------+   (store)
           held in its lane --hold over-----+   (store)
           held in its chain --its turn-----+   (store)
           scheduled --due------------------+   (store)
           ordered by a person or a replay -+   (store)

Invariants:
- a partition has one owner; an attempt starts only while the owner's last beat is young, and a record changes only
  under the owner's token. The one exception is an attempt that ran when its partition was handed over: its former
  owner may settle exactly that record;
- the recorded mark passes an event in the very script that leaves all its deliveries with records. What lies behind
  the mark needs no process any more; what lies after it is read again by whoever owns the partition next, and what has
  a record then is not sent again;
- a record wins: over a new match, over a repeated call, over anything remembered here. At the first contradiction the
  partition is given up and taken again;
- nothing is refused on an old view of the registry, and nothing is sent to an endpoint that is known to be off;
- of an ordering key at an ordered endpoint the next is begun only after the one before is recorded delivered, or is out
  of the way by policy; what is held depends on no process, and is never dropped but beyond the limits that are said;
- what the store has is taken in hand by one loop at a time, and of a line only while it is settled who is first in it;
- what waits is bounded: in memory by bytes, count and time, beyond that it is in the store. A slow endpoint takes
  its own slots and nothing else;
- a retry is never early: due times are the store's, moved on by our monotonic clock. The wall clock decides nothing
  but what is signed and shown;
- deciding is pure (`outcome`, `backoff`, `assignment`); loops execute. An error of the store ends a turn, never a loop.

It refuses to send what is not byte for byte what was accepted, to follow redirects, to make a second request within
one attempt, to change a record that is not its own, to steal a live lease, and to start on a store that may lose data.
"""
