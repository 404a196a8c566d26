-- Voice mailboxes and their messages; the sound lies in files. Same tables as migrations/postgres/0175_voicemail.sql.
-- No trigger moves the version: nothing of this is in the directory.
CREATE TABLE voice_boxes (
    account_id           BIGINT  NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    settings             TEXT    NOT NULL DEFAULT '{}',
    pin                  BLOB,
    pin_wrong            BIGINT  NOT NULL DEFAULT 0,
    locked_until         BIGINT  NOT NULL DEFAULT 0,
    greeting_unavailable TEXT,
    greeting_busy        TEXT,
    greeting_name        TEXT
);

CREATE TABLE voice_messages (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id  BIGINT  NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    folder      TEXT    NOT NULL CONSTRAINT voice_messages_folder CHECK (folder IN ('new', 'saved', 'deleted')),
    caller      TEXT    NOT NULL,
    caller_name TEXT,
    received_at BIGINT  NOT NULL,
    moved_at    BIGINT  NOT NULL,
    length_ms   BIGINT  NOT NULL,
    urgent      BOOLEAN NOT NULL,
    file        TEXT    NOT NULL
);
CREATE INDEX voice_messages_by_account ON voice_messages (account_id, folder, id);
CREATE INDEX voice_messages_by_file ON voice_messages (file);
CREATE INDEX voice_messages_by_age ON voice_messages (received_at);
