"""What reads the published copy: one module a command, and what they share.

    query, export, status, check   the commands
    published                      the copy, opened in UTC and read only
    health                         each source and what is in flight, as all of them and the page tell it
    sentence                       is the data in, and complete? The first sentence, the same everywhere
    display                        values as text
    check_text                     the results of checks, for a terminal and for Slack
    notify, told                   the webhook of `check --notify`, and what it was told

Knows the marts by name and nothing of how they came to be.
"""
