-- What kind of client a company is, and what a brand says about all of its companies. Same tables as
-- migrations/sqlite/0181_clients.sql.
ALTER TABLE companies ADD COLUMN kind TEXT NOT NULL DEFAULT 'vpbx'
    CONSTRAINT companies_kind CHECK (kind IN ('vpbx', 'residential', 'retail', 'wholesale'));
ALTER TABLE brands ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
