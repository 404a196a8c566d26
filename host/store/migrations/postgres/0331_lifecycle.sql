-- What is kept of a binding: its failures, its trial, its versions. Same as migrations/sqlite/0331_lifecycle.sql.
-- What becomes of a caller whose call app fails: JSON, with the prompt, the number and whether it is started once more.
ALTER TABLE bindings ADD COLUMN on_failure TEXT;

-- When a version on trial began, and when and why it was found to do worse: then it is asked no more, also after a restart.
ALTER TABLE bindings ADD COLUMN trial_begun_at BIGINT;
ALTER TABLE bindings ADD COLUMN trial_over_at BIGINT;
ALTER TABLE bindings ADD COLUMN trial_over_why TEXT;

-- What was bound before the version before: rollbacks walk back through three.
ALTER TABLE bindings ADD COLUMN older_plugin_id BIGINT REFERENCES plugins (id);
ALTER TABLE bindings ADD COLUMN older_config TEXT;
ALTER TABLE bindings ADD COLUMN oldest_plugin_id BIGINT REFERENCES plugins (id);
ALTER TABLE bindings ADD COLUMN oldest_config TEXT;
CREATE INDEX bindings_by_older ON bindings (older_plugin_id);
CREATE INDEX bindings_by_oldest ON bindings (oldest_plugin_id);
