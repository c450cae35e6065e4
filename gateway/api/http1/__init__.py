"""The HTTP/1.1 server under the API: bytes of a connection to ASGI calls, and back, on httptools (llhttp).

    Listener: accepts, ticks, drains --> Connection: parser, order of requests, time --> Exchange: receive and send
                                                                                     --> Direct: without a task

It is our own because the gateway promises answers to malformed requests that a ready server cannot give: hyper takes a
request with Content-Length *and* Transfer-Encoding, drops one of them and calls the application, which cannot see it.
And because it is the hot path: a request that answers at once costs about 60 % of the CPU it costs there.

| input | answer |
|---|---|
| not HTTP/1.0 or 1.1; two lengths, length and chunks, `+2`, `-1`, a bad chunk size; NUL, folded headers | 400 |
| request line and headers over 32 KB before they are complete | 414 or 431 |
| nothing for 5 s on a new connection, 10 s between two requests | closed |
| a request begun whose headers are not complete after 5 s | 408 |
| more than 64 KB of chunk extensions or trailers without a byte of body | 400 |
| a body that ends early, a client that goes away | `http.disconnect` to the application |
| Upgrade, CONNECT | an ordinary request, answered, then closed |

After every 4xx of this table, and after an answer that was given before the body was complete, the connection closes:
our side ends at once; what still comes is read and dropped for a second, so that no reset overtakes the answer.

Invariants: answers leave in the order of the requests; one request of a connection runs at a time; at most 64 KB of
body wait for the application beyond what it has read; a client that does not read its answer for 30 s is cut off. An
answer is collected whole and sent with its length: nothing here streams. No TLS: that is for whatever stands in front.
"""
