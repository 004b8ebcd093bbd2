-- Times are milliseconds since the Unix epoch; JSON is text.

CREATE TABLE hosts (
    id TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE campaigns (
    id TEXT PRIMARY KEY,
    host_id TEXT NOT NULL REFERENCES hosts,
    name TEXT NOT NULL,
    variant TEXT NOT NULL,
    definition TEXT NOT NULL,
    source TEXT,
    source_path TEXT,
    seed INTEGER NOT NULL,
    trials_planned INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- Absent while it runs.
    outcome TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX campaigns_by_time ON campaigns (started_at);

CREATE TABLE trials (
    id TEXT PRIMARY KEY,
    campaign_id TEXT NOT NULL REFERENCES campaigns,
    host_id TEXT NOT NULL REFERENCES hosts,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    chaos TEXT NOT NULL,
    slot INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    project TEXT NOT NULL,
    digests TEXT NOT NULL,
    spec TEXT NOT NULL,
    -- The phase that runs or ran last.
    phase TEXT,
    targets TEXT NOT NULL DEFAULT '[]',
    metadata TEXT,
    state_before TEXT,
    state_after TEXT,
    started_at INTEGER NOT NULL,
    injected_at INTEGER,
    rollback_at INTEGER,
    recovered_at INTEGER,
    recovery_ms INTEGER,
    ended_at INTEGER,
    -- Absent while it runs.
    outcome TEXT,
    error TEXT,
    hints TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;
CREATE INDEX trials_of_campaign ON trials (campaign_id);
CREATE INDEX trials_by_name ON trials (name);
CREATE INDEX trials_running ON trials (host_id) WHERE outcome IS NULL;

CREATE TABLE phases (
    id INTEGER PRIMARY KEY,
    trial_id TEXT NOT NULL REFERENCES trials,
    phase TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX phases_of_trial ON phases (trial_id);

CREATE TABLE changes (
    id TEXT PRIMARY KEY,
    trial_id TEXT NOT NULL REFERENCES trials,
    host_id TEXT NOT NULL REFERENCES hosts,
    project TEXT NOT NULL,
    container TEXT NOT NULL,
    container_name TEXT NOT NULL,
    summary TEXT NOT NULL,
    -- The whole change, with its way back.
    change TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('applying', 'in_force', 'reverting', 'reverted', 'void')),
    -- Why it could not be taken back, when that was tried last.
    error TEXT,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX changes_of_trial ON changes (trial_id);
CREATE INDEX changes_unsettled ON changes (host_id) WHERE status NOT IN ('reverted', 'void');

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    trial_id TEXT NOT NULL REFERENCES trials,
    at INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    function TEXT NOT NULL,
    call TEXT NOT NULL,
    arguments TEXT NOT NULL,
    verdict TEXT NOT NULL,
    detail TEXT,
    duration_us INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_of_trial ON audit (trial_id);

CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    trial_id TEXT NOT NULL REFERENCES trials,
    at INTEGER NOT NULL,
    level TEXT NOT NULL,
    source TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX logs_of_trial ON logs (trial_id);
