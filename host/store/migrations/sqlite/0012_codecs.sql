-- The formats that the calls of a company may have, best first, with commas between; empty = whatever the parties like.

ALTER TABLE companies ADD COLUMN codecs TEXT NOT NULL DEFAULT ''
    CONSTRAINT companies_codecs CHECK (length(codecs) <= 256);
