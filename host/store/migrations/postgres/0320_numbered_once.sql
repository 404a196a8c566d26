-- One number for a transaction, asked for once: an import of a million rows queued a million calls of the numbering trigger, all
-- of which ran with the row of `changes` locked, and the next small change pruned that million under the lock.
-- See decision 0316.
DROP TRIGGER change_log_is_numbered ON change_log;
DROP FUNCTION number_changes();

-- Whether this is the first row that the transaction notes since the last number. The setting ends with the transaction, and is
-- taken back with a savepoint, as the queued trigger is.
CREATE FUNCTION is_first_note() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    own TEXT := pg_current_xact_id()::text;
BEGIN
    IF current_setting('strowger.noted', true) = own THEN
        RETURN FALSE;
    END IF;
    PERFORM set_config('strowger.noted', own, true);
    RETURN TRUE;
END
$$;

-- When the transaction commits, or where it makes its constraints immediate. What is too long ago goes 10000 rows at a time, the
-- oldest versions first: whoever stands at a version that is still known misses nothing that came after it.
CREATE FUNCTION number_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    next BIGINT;
BEGIN
    PERFORM set_config('strowger.noted', '', true);
    -- What was noted is forgotten again: a backup that comes back keeps the number that it had.
    IF NOT EXISTS (SELECT 1 FROM change_log WHERE version = 0) THEN
        RETURN NULL;
    END IF;
    UPDATE changes SET version = version + 1 RETURNING version INTO next;
    UPDATE change_log SET version = next, mark = floor((random() - 0.5) * 9e18)::bigint WHERE version = 0;
    DELETE FROM change_log WHERE id IN (
        SELECT id FROM change_log WHERE version > 0 AND version < COALESCE(
            (SELECT version FROM change_log WHERE id <= (SELECT MAX(id) FROM change_log) - 100000 ORDER BY id DESC LIMIT 1), 0)
        ORDER BY version LIMIT 10000);
    PERFORM pg_notify('strowger_changes', '');
    RETURN NULL;
END
$$;
-- The condition is looked at when the row is noted, not at the commit.
CREATE CONSTRAINT TRIGGER change_log_is_numbered AFTER INSERT ON change_log DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (is_first_note()) EXECUTE FUNCTION number_changes();
