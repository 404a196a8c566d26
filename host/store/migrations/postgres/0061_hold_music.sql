-- The stored prompt that the held and parked parties of a company hear; null = whatever the holder plays.

ALTER TABLE companies ADD COLUMN hold_music TEXT
    CONSTRAINT companies_hold_music CHECK (length(hold_music) BETWEEN 1 AND 128);
