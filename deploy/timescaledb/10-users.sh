#!/bin/sh
# Run once by the image of compose.yaml, when the database is made: one user that owns it, and one
# that only reads, for Grafana. Passwords come from files and are on no command line.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"

psql --set ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set owner_password `cat "$SECRETS/database_wattscope"`
\set reader_password `cat "$SECRETS/database_grafana"`
\set database `echo "$POSTGRES_DB"`

CREATE ROLE wattscope LOGIN PASSWORD :'owner_password';
ALTER DATABASE :"database" OWNER TO wattscope;

CREATE ROLE grafana LOGIN PASSWORD :'reader_password';
ALTER ROLE grafana SET default_transaction_read_only = on;
GRANT pg_read_all_data TO grafana;

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO grafana;
SQL
