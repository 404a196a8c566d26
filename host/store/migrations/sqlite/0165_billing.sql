-- What companies have and owe: wallets, their movements and reservations, and legs that wait for their price. Same tables as
-- migrations/postgres/0165_billing.sql.

-- What a leg was authorised under, and what it cost once it was settled; both JSON but for what is summed and sorted.
ALTER TABLE cdrs ADD COLUMN rated TEXT;
ALTER TABLE cdrs ADD COLUMN cost BIGINT;
ALTER TABLE cdrs ADD COLUMN carrier_cost BIGINT;
ALTER TABLE cdrs ADD COLUMN currency TEXT;
ALTER TABLE cdrs ADD COLUMN charge_lines TEXT;

-- What a company has. `balance` is the sum of its movements and `reserved` the sum of its open reservations: both are
-- changed in the same transaction as the rows, under the lock of this row, and an audit compares them.
CREATE TABLE wallets (
    company_id BIGINT NOT NULL PRIMARY KEY REFERENCES companies (id),
    brand_id   BIGINT NOT NULL REFERENCES brands (id),
    method     TEXT   NOT NULL,
    plan       TEXT   NOT NULL,
    currency   TEXT   NOT NULL,
    balance    BIGINT NOT NULL,
    reserved   BIGINT NOT NULL,
    credit     BIGINT NOT NULL,
    daily_cap  BIGINT,
    low_mark   BIGINT,
    touched    BIGINT NOT NULL,
    CONSTRAINT wallets_method CHECK (method IN ('prepaid', 'postpaid', 'pseudo-prepaid')),
    CONSTRAINT wallets_currency CHECK (LENGTH(currency) = 3),
    CONSTRAINT wallets_reserved CHECK (reserved >= 0),
    CONSTRAINT wallets_credit CHECK (credit >= 0)
);

-- Append-only: a trigger refuses every change. A key moves money once for ever.
CREATE TABLE wallet_movements (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    company_id BIGINT NOT NULL REFERENCES wallets (company_id),
    brand_id   BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    amount     BIGINT NOT NULL,
    balance    BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    memo       TEXT   NOT NULL,
    CONSTRAINT wallet_movements_kind CHECK (kind IN ('charge', 'top-up', 'correction'))
);
CREATE UNIQUE INDEX wallet_movements_by_name ON wallet_movements (company_id, name);
CREATE INDEX wallet_movements_by_time ON wallet_movements (company_id, at);

CREATE TABLE wallet_reservations (
    company_id BIGINT NOT NULL REFERENCES wallets (company_id),
    name       TEXT   NOT NULL,
    amount     BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    made_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (company_id, name),
    CONSTRAINT wallet_reservations_state CHECK (state IN ('open', 'charged', 'released', 'expired')),
    CONSTRAINT wallet_reservations_amount CHECK (amount >= 0)
);
CREATE INDEX wallet_reservations_by_end ON wallet_reservations (state, expires_at);

-- Answered legs that are to be settled, made together with their CDR. No foreign keys: a record of the past.
CREATE TABLE settlements (
    call_id    TEXT   NOT NULL,
    leg        BIGINT NOT NULL,
    brand_id   BIGINT NOT NULL,
    company_id BIGINT NOT NULL,
    done       BOOLEAN NOT NULL,
    tries      BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    made_at    BIGINT NOT NULL,
    error      TEXT,
    PRIMARY KEY (call_id, leg)
);
CREATE INDEX settlements_by_due ON settlements (done, due_at);

CREATE TRIGGER wallet_movements_stay BEFORE UPDATE ON wallet_movements BEGIN SELECT RAISE(ABORT, 'a movement is never changed'); END;
CREATE TRIGGER wallet_movements_remain BEFORE DELETE ON wallet_movements BEGIN SELECT RAISE(ABORT, 'a movement is never removed'); END;
