# SPDX-License-Identifier: MIT
"""What the end-to-end tests are made of: the real program, a target that remembers, and time.

    wait     waiting for an event, with a deadline
    times    instants as the API writes them; the instants that a schedule owes
    program  one run of the binary, its log, and an HTTP client for it
    openapi  requests made of the API's description, and the judgement of their answers
    raw      bytes on a socket, for requests that no HTTP client would send
    target   the HTTP server that jobs call; it records every arrival
    jobs     jobs and executions through the API, many at a time
    account  what jobs of every second owed, against ledger and target
    ledger   the database file, read after the program has ended
    postgres, redis, haproxy   servers that stand beside a cluster, each a test's own
    neighbours                 what these three have in common
"""
