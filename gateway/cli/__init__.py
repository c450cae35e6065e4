"""`hookline`, the command: what a person starts, asks and reads.

    main            the commands and their help; every other module is imported when its command runs
    up, system      the supervisor: store, gateway, dispatchers, worker, each restarted with backoff, stopped in order
    child, keeping  one process, and what is kept of it; `folder` locks the data, `first_key` makes the first API key
    demo            the story in four acts, told by the running system
    doctor          what is at risk, since when, in plain words, with the way out
    ledger          the recount and its balance line
    keys            create, list, revoke

What goes wrong on the first day (a taken port, a locked folder, no wheel, a store that loses data) is one line with the
way out and exit code 2, never a trace. Colour and cursor moves are for terminals alone. Dispatcher and worker are
started as processes of their own, never imported.
"""
