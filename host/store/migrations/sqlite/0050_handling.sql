-- How a company's calls are handled by default, and whether a 6xx of one phone speaks for all that ring with it.
ALTER TABLE companies ADD COLUMN handling TEXT NOT NULL DEFAULT 'b2bua'
    CONSTRAINT companies_handling CHECK (handling IN ('proxy', 'b2bua'));
ALTER TABLE companies ADD COLUMN decline_ends_all BOOLEAN NOT NULL DEFAULT FALSE;
