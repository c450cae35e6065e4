"""The nouns that gateway and dispatcher share: plain data and pure functions, no I/O.

    event       a thing that happened, CloudEvents attributes plus addressing
    subscriber  a party that wants events; internal or external, fixed at creation
    endpoint    one URL of a subscriber, with its patterns and delivery policy
    secret      what an endpoint is signed for with; which are live, and what a rotation makes of them
    profile     one more signature, in the style of another system
    delivery    one event for one endpoint over all its attempts: its record and states
    attempt     exactly one HTTP request
    replay      many deliveries by hand
    api_key     who may call the API, and for what

States of a delivery (the record's first byte):

    (none) --first attempt or wait--> pending --> delivered
                                      pending --> scheduled --due--> pending
                                      pending, scheduled, held --> dead | skipped
                                      dead, skipped --replay or retry--> pending
"""
