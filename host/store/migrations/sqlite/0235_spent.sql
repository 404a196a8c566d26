-- What was charged in a day stands in the wallet's row, beside its balance; -1: it was not counted yet. Same as
-- migrations/postgres/0235_spent.sql.
ALTER TABLE wallets ADD COLUMN spent_day BIGINT NOT NULL DEFAULT -1;
ALTER TABLE wallets ADD COLUMN spent BIGINT NOT NULL DEFAULT 0;

-- The books are audited by what is open, and legs that wait are listed from the oldest on.
CREATE INDEX wallet_reservations_open ON wallet_reservations (company_id, amount) WHERE state = 'open';
CREATE INDEX settlements_waiting ON settlements (made_at, call_id, leg) WHERE done = FALSE;
