-- A database has an identity of its own: not its path, which another file may have tomorrow. A copy gets a new one.

CREATE TABLE identity (
    uuid TEXT NOT NULL
) STRICT;
