"""What reads the published copy: one module a command, and what they share.

    query, export, status, check   the commands
    published                      the copy, opened in UTC and read only
    display                        values as text
    notify                         the webhook of `check --notify`

Knows the marts by name and nothing of how they came to be.
"""
