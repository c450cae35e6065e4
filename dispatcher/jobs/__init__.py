"""Operator jobs: long work for a person, run by RQ in slices of at most 30 seconds.

    POST -> replay stored, `queued` -> RQ job (replay, token) -> shells -> Slice: claims the replay by its token
        count: total is found                    \\  turns of bounded work; every second the replay is saved,
        send: orders to the partitions' owners   /   which is its heartbeat, and asked whether it shall stop
    -> completed | failed | cancelled, or: the next token is saved, its job queued, and the slice ends

| module | |
|---|---|
| `selection` | which events a replay may bring to its endpoint (pure) |
| `pacer` | how many deliveries its rate allows now (pure) |
| `candidates` | the events of one partition that it selects, in order, from a cursor |
| `replay` | one turn of counting or ordering |
| `in_order` | which of them may be ordered while live events wait: of each ordering key one at a time |
| `target` | the endpoint of a replay, and its mark while live events wait |
| `slices` | claim, turns, save, hand on |
| `watch`, `marked` | find replays that stand still and queue a new slice; clear marks of replays that have ended |
| `shells` | what RQ calls: primitive arguments, nothing but a call of async code |
| `runtime`, `worker` | what a shell works with; the process |

Invariants:
- the state of a replay is in our store and changes by compare-and-set; a job in RQ only says who may go on. Of two
  slices of one replay the one whose token is not the stored one ends at its next change, and has done no harm: placing
  an order twice is placing it once, and a cursor is saved by the holder of the token alone;
- a delivery is ordered behind the recorded mark only, by order.lua, so that live and replay never both make it and none
  falls between; what is not behind the mark yet stops the cursor of its partition until it is;
- the owner alone attempts and records; a replay has a bounded number of orders outstanding, so a cancelled one sends
  at most those;
- nobody waits for RQ's own supervision: a replay whose beat stands still for 20 seconds is given to another slice.

It refuses to fail for what passes by itself: a store that is away, full or loading is waited for.
"""
