"""What a PostgreSQL server must be and allow, found before a request is made; knows no table and no schema."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Final

from statsig_runs.errors import ConfigurationError

_ENCODINGS: Final = ("UTF8", "SQL_ASCII")
_QUERY: Final = "select current_database(), current_setting('server_encoding'), has_database_privilege(%s, 'TEMP')"


def require_usable(server: Mapping[str, str], place: str) -> None:
    """Refuse a database that takes no text of any language, or a user that may not make temporary tables.

    A server that cannot be reached is not refused: whoever takes its lock tells that.

    Args:
        server: what to connect with, as the driver names it, credentials included.
        place: where that is, for people.

    Raises:
        ConfigurationError: with what to do about it.
    """
    import psycopg2

    try:
        with closing(psycopg2.connect(**server)) as connection, connection.cursor() as cursor:
            cursor.execute(_QUERY, [connection.info.dbname])
            database, encoding, has_temporary = cursor.fetchone() or ("", "", True)
    except psycopg2.Error:
        return
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
