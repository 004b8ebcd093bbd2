-- What else happened in a trial: what disturbed it, what the host reverted, waits, pressure.
ALTER TABLE trials ADD COLUMN circumstances TEXT NOT NULL DEFAULT '{}';
