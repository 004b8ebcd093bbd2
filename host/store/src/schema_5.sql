-- What a trial measured, and what was to be said of it.
-- The experiment's definition: how the trial is measured and judged again.
ALTER TABLE trials ADD COLUMN experiment TEXT;
-- Its judgement, with what became of the workload.
ALTER TABLE trials ADD COLUMN findings TEXT;

CREATE TABLE samples (
    id INTEGER PRIMARY KEY,
    trial_id TEXT NOT NULL REFERENCES trials,
    metric TEXT NOT NULL,
    phase TEXT NOT NULL,
    -- NULL where there was none; then there is a reason.
    value REAL,
    reason TEXT,
    sampled_at INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    took_us INTEGER NOT NULL,
    query TEXT NOT NULL
) STRICT;
CREATE INDEX samples_of_trial ON samples (trial_id, metric, sampled_at);

CREATE TABLE workload_seconds (
    id INTEGER PRIMARY KEY,
    trial_id TEXT NOT NULL REFERENCES trials,
    at INTEGER NOT NULL,
    phase TEXT NOT NULL,
    started INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    errors TEXT NOT NULL,
    in_flight INTEGER NOT NULL,
    latency TEXT,
    late_us INTEGER NOT NULL
) STRICT;
CREATE INDEX workload_seconds_of_trial ON workload_seconds (trial_id, at);
