"""The demo: the whole system, three services of a shop beside it, and a story in four acts.

    run       starts the system and the services, tells the story, prints what the reader can try, stays up
    api       the client of the gateway's HTTP API
    shop      the services as processes, and what they say (feed)
    orders    which order numbers were used
    story     the four acts: each does something by the API and waits until it is seen
    lines     how one line of the story looks
    closing   what is printed after the story

Every line of the story is a real event of the running system: what a service wrote when it answered a request, or what
the API says of an attempt. The story knows what must happen and in which order; when it does not happen in time, the
act has failed, and the failure names the act and the log to look at.

It refuses a store that it did not start: a story about a shop does not belong among somebody's events.
"""
