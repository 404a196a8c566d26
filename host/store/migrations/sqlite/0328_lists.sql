-- A page of a list walks an index and stops, whoever asks and in the order of ids or of names: those who see the platform, a
-- brand or a company. Same as migrations/postgres/0328_lists.sql. See decision 0328.
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
