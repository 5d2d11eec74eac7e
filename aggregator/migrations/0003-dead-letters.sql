-- What became of a dead letter: kept → replayed (its event was published again, perhaps repaired) or deleted (its bytes
-- are gone). The row stays in any case, so that dead_lettered is the sum of what is here for ever (P3).
ALTER TABLE dead_letters
  ADD COLUMN state text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'replayed', 'deleted')),
  ADD COLUMN resolved_at timestamptz,
  ALTER COLUMN raw DROP NOT NULL,
  ADD CONSTRAINT dead_letters_resolved_once CHECK ((state = 'kept') = (resolved_at IS NULL)),
  ADD CONSTRAINT dead_letters_wiped CHECK ((state = 'deleted') = (raw IS NULL));
-- Pages, over all and over the resolved or open ones. Dead letters are rare: what these cost does not show.
CREATE INDEX dead_letters_newest ON dead_letters (dead_at, shard, seq);
CREATE INDEX dead_letters_newest_by_resolution ON dead_letters ((state <> 'kept'), dead_at, shard, seq);

-- Deliveries in dead letters that are not open any more.
ALTER TABLE counters ADD COLUMN dead_resolved bigint NOT NULL DEFAULT 0
  CHECK (dead_resolved BETWEEN 0 AND dead_lettered);
