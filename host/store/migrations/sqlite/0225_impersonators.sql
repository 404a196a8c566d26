-- Who stands behind somebody who is acted as, by number: it ends with them. Same tables as
-- migrations/postgres/0225_impersonators.sql.
DELETE FROM logins WHERE impersonator IS NOT NULL;
ALTER TABLE logins ADD COLUMN by_person BIGINT REFERENCES people (id) ON DELETE CASCADE;
ALTER TABLE logins ADD COLUMN by_token BIGINT REFERENCES api_tokens (id) ON DELETE CASCADE;
CREATE INDEX logins_by_impersonating_person ON logins (by_person);
CREATE INDEX logins_by_impersonating_token ON logins (by_token);
