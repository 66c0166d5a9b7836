#!/bin/sh
# Run once by the postgres image: a database and a role of its own for every service.
set -eu
for name in cart inventory order payment alerts journal; do
    psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        -v name="quadrille_$name" -v password="$QUADRILLE_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
