-- A page of a list walks an index and stops, whoever asks and in the order of ids or of names: those who see the platform, a
-- brand or a company. Same as migrations/sqlite/0328_lists.sql. See decision 0328.
-- What lists are ordered by is ordered by its bytes, as in SQLite, whatever the database's locale is: a page is the same in
-- both, and all that begins with something is one stretch of an index.
ALTER TABLE accounts ALTER COLUMN username TYPE TEXT COLLATE "C", ALTER COLUMN display_name TYPE TEXT COLLATE "C";
ALTER TABLE api_tokens ALTER COLUMN name TYPE TEXT COLLATE "C", ALTER COLUMN role TYPE TEXT COLLATE "C";
ALTER TABLE audit ALTER COLUMN actor TYPE TEXT COLLATE "C", ALTER COLUMN path TYPE TEXT COLLATE "C";
ALTER TABLE bindings ALTER COLUMN name TYPE TEXT COLLATE "C", ALTER COLUMN point TYPE TEXT COLLATE "C";
ALTER TABLE brands ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE cdrs ALTER COLUMN caller TYPE TEXT COLLATE "C", ALTER COLUMN callee TYPE TEXT COLLATE "C", ALTER COLUMN cause TYPE TEXT COLLATE "C";
ALTER TABLE companies ALTER COLUMN name TYPE TEXT COLLATE "C", ALTER COLUMN domain TYPE TEXT COLLATE "C";
ALTER TABLE ddis ALTER COLUMN e164 TYPE TEXT COLLATE "C";
ALTER TABLE extensions ALTER COLUMN number TYPE TEXT COLLATE "C";
ALTER TABLE jobs ALTER COLUMN kind TYPE TEXT COLLATE "C", ALTER COLUMN state TYPE TEXT COLLATE "C";
ALTER TABLE people ALTER COLUMN name TYPE TEXT COLLATE "C", ALTER COLUMN role TYPE TEXT COLLATE "C";
ALTER TABLE plugins ALTER COLUMN name TYPE TEXT COLLATE "C", ALTER COLUMN version TYPE TEXT COLLATE "C";
ALTER TABLE prefix_tables ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE rules ALTER COLUMN kind TYPE TEXT COLLATE "C", ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE timetables ALTER COLUMN name TYPE TEXT COLLATE "C", ALTER COLUMN kind TYPE TEXT COLLATE "C";
ALTER TABLE translation_sets ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE trunks ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE wallets ALTER COLUMN method TYPE TEXT COLLATE "C", ALTER COLUMN plan TYPE TEXT COLLATE "C";

CREATE INDEX accounts_by_name ON accounts (username);
CREATE INDEX accounts_of_brand ON accounts (brand_id, id);
CREATE INDEX accounts_of_brand_by_name ON accounts (brand_id, username);
CREATE INDEX accounts_of_company ON accounts (company_id, id);
CREATE INDEX extensions_by_name ON extensions (number);
CREATE INDEX extensions_of_brand ON extensions (brand_id, id);
CREATE INDEX extensions_of_brand_by_name ON extensions (brand_id, number);
CREATE INDEX extensions_of_company ON extensions (company_id, id);
CREATE INDEX ddis_of_brand ON ddis (brand_id, id);
CREATE INDEX ddis_of_brand_by_name ON ddis (brand_id, e164);
CREATE INDEX ddis_in_company ON ddis (company_id, id);
