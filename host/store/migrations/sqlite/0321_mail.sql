-- Mail: the hosts that take it, and what is to be sent. Same tables as migrations/postgres/0321_mail.sql.
-- No trigger moves the version: nothing of this is in the directory.
CREATE TABLE mail_hosts (
    scope    TEXT   NOT NULL PRIMARY KEY,
    brand_id BIGINT REFERENCES brands (id) ON DELETE CASCADE,
    settings TEXT   NOT NULL,
    password BLOB
);

-- A mail to one address. Of one name a binding sends one to each address, ever so often it is asked.
CREATE TABLE mails (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    brand_id      BIGINT  NOT NULL,
    company_id    BIGINT  NOT NULL,
    binding       TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    message_id    TEXT    NOT NULL,
    recipient     TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    body          TEXT    NOT NULL,
    files         TEXT    NOT NULL,
    voice_message BIGINT,
    delete_after  BOOLEAN NOT NULL,
    state         TEXT    NOT NULL CONSTRAINT mails_state CHECK (state IN ('waiting', 'sending', 'sent', 'dead')),
    made_at       BIGINT  NOT NULL,
    since_at      BIGINT  NOT NULL,
    due_at        BIGINT  NOT NULL,
    ended_at      BIGINT,
    tries         BIGINT  NOT NULL,
    lease         TEXT,
    lease_until   BIGINT,
    error         TEXT,
    CONSTRAINT mails_lease CHECK ((state = 'sending') = (lease IS NOT NULL)),
    FOREIGN KEY (company_id, brand_id) REFERENCES companies (id, brand_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX mails_by_name ON mails (company_id, binding, name, recipient);
CREATE UNIQUE INDEX mails_by_message ON mails (message_id);
CREATE INDEX mails_by_due ON mails (state, due_at, id);
CREATE INDEX mails_by_company ON mails (company_id, made_at);

-- Whose mails are being counted: a company's come one after the other.
CREATE TABLE mail_turns (
    company_id BIGINT NOT NULL PRIMARY KEY REFERENCES companies (id) ON DELETE CASCADE,
    turn       BIGINT NOT NULL
);
