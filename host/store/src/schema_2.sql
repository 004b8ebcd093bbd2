-- A campaign that was cut short is gone on with: by what it began with, and each trial counts once.

ALTER TABLE campaigns ADD COLUMN digests TEXT NOT NULL DEFAULT '{}';
ALTER TABLE campaigns ADD COLUMN dry_run INTEGER NOT NULL DEFAULT 0;
-- A later attempt at the same trial stands in this one's place.
ALTER TABLE trials ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;

DROP INDEX trials_of_campaign;
CREATE INDEX trials_by_start ON trials (campaign_id, started_at);
-- Whatever a list or a summary asks is answered from an index, however many trials there are.
CREATE INDEX trials_by_result ON trials (campaign_id, subject, chaos, outcome, recovery_ms, started_at) WHERE superseded = 0;
CREATE UNIQUE INDEX trials_that_count ON trials (campaign_id, name) WHERE superseded = 0;
CREATE INDEX trials_by_outcome ON trials (campaign_id, outcome, name) WHERE superseded = 0;
