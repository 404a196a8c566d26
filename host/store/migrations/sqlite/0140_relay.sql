-- A company's calls may be relayed: proxied, with media through the switch. SQLite keeps a column's check with the column.
ALTER TABLE companies RENAME COLUMN handling TO handling_before;
ALTER TABLE companies ADD COLUMN handling TEXT NOT NULL DEFAULT 'b2bua'
    CONSTRAINT companies_handling CHECK (handling IN ('proxy', 'relay', 'b2bua'));
UPDATE companies SET handling = handling_before;
ALTER TABLE companies DROP COLUMN handling_before;
