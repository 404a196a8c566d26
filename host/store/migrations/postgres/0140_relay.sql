-- A company's calls may be relayed: proxied, with media through the switch.
ALTER TABLE companies DROP CONSTRAINT companies_handling;
ALTER TABLE companies ADD CONSTRAINT companies_handling CHECK (handling IN ('proxy', 'relay', 'b2bua'));
