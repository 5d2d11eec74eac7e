-- Reading what was stored in the order in which it became visible: by shard, then seq.
--
-- A batch holds and moves its shard's position in the statement that stores its rows, so the rows of a shard become
-- visible in the order of seq: everything up to the position is there, and nothing beyond it is.
CREATE INDEX events_feed ON events (shard, seq);

-- How far retention has taken events: of a shard, none up to this seq is promised to be there any more.
CREATE TABLE horizons (
  shard integer PRIMARY KEY,
  seq bigint NOT NULL
);

-- Remembers what drop_expired_partitions is about to take. To be called before it, in the same transaction, whose clock
-- stands still.
CREATE FUNCTION note_horizons(retention_days integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  expired record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '.make_partitions', 0));
  FOR expired IN
    SELECT p.name FROM partitions p
    WHERE p.parent = 'events' AND p.upper_at <= now() - make_interval(days => retention_days)
  LOOP
    EXECUTE format('INSERT INTO horizons AS h (shard, seq)
      SELECT s.shard, l.seq FROM positions s
      CROSS JOIN LATERAL (SELECT e.seq FROM %I e WHERE e.shard = s.shard ORDER BY e.seq DESC LIMIT 1) l
      ON CONFLICT (shard) DO UPDATE SET seq = greatest(h.seq, excluded.seq)', expired.name);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION note_horizons(integer) FROM PUBLIC;

-- The last seq of a shard before those that arrived at a time or after it, by bisection: arrivals of one shard follow
-- each other in time as far as Postgres's clock does, so this costs a few look-ups and no index of its own. Where the
-- clock was set back, one of the places that fit is found.
CREATE FUNCTION seq_before(of_shard integer, horizon bigint, "position" bigint, arrival timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  low bigint := horizon;
  high bigint := "position";
  middle bigint;
  found record;
BEGIN
  -- Up to low all arrived before; what follows high arrived later, or is not there.
  WHILE low < high LOOP
    middle := (low + high) / 2;
    SELECT e.seq, e.received_at INTO found FROM events e
    WHERE e.shard = of_shard AND e.seq > middle AND e.seq <= high ORDER BY e.seq LIMIT 1;
    IF found.seq IS NULL OR found.received_at >= arrival THEN
      high := middle;
    ELSE
      low := found.seq;
    END IF;
  END LOOP;
  RETURN low;
END $$;
