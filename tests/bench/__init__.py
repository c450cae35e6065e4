"""The figures of the README, measured (`make bench`).

Each row starts its own system: store with fsync always, gateway, dispatchers; the sink and the load generator are
processes of their own, so cheap that what is left of the two cores is the system's (their own cost is in the table).

Closed loop: 64 connections, each sends when its answer is in; says how much. Open loop: events are due at a rate,
latency counts from the due instant; says how long. End to end is from there to the request at the receiver.

It refuses to compare with figures from other machines: the goals are for two cores.
"""
