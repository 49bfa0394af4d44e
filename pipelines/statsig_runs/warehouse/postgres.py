"""What a PostgreSQL database must be and allow, found before a request is made; knows no table and no schema."""

from __future__ import annotations

from typing import Any, Final

from statsig_runs.errors import ConfigurationError

_ENCODINGS: Final = ("UTF8", "SQL_ASCII")
_QUERY: Final = """
    select
        current_database(),
        current_setting('server_encoding'),
        has_database_privilege(current_database(), 'TEMP')
"""


def require_usable(cursor: Any, place: str) -> None:
    """Refuse a database that takes no text of any language, or a user that may not make temporary tables.

    Args:
        cursor: of a connection to the database.
        place: where that is, for people.

    Raises:
        ConfigurationError: with what to do about it.
    """
    cursor.execute(_QUERY)
    database, encoding, has_temporary = cursor.fetchone()
    if encoding not in _ENCODINGS:
        raise ConfigurationError(
            f"{place} has the encoding {encoding}, which lacks most characters. Choose a database in UTF8:\n"
            "  create database analytics encoding 'UTF8' template template0"
        )
    if not has_temporary:
        raise ConfigurationError(
            f"The user of {place} may not make temporary tables, which the models need. Let its owner allow it:\n"
            f'  grant temporary on database "{database}" to …'
        )
