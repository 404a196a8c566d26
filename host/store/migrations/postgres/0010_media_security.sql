-- Whether the legs of a company or account have SRTP; an account without a word of its own has the company's.

ALTER TABLE companies ADD COLUMN media_security TEXT NOT NULL DEFAULT 'allow'
    CONSTRAINT companies_media_security CHECK (media_security IN ('forbid', 'allow', 'require'));
ALTER TABLE accounts ADD COLUMN media_security TEXT
    CONSTRAINT accounts_media_security CHECK (media_security IN ('forbid', 'allow', 'require'));
