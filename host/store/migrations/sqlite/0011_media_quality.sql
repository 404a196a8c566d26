-- How the media of a leg went, JSON; NULL where none passed through the switch.

ALTER TABLE cdrs ADD COLUMN media TEXT;
