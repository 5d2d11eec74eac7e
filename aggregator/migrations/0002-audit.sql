-- The audit of duplicates: which deliveries were dropped, when, and whether they said something else than what is kept.

-- One row for each dropped delivery, written by the statement that drops it. Append-only but for one thing: `conflict`
-- is null until the winner, committed by another transaction in the same moment, can be seen and compared.
-- A conflict keeps what it said: timestamp and payload, the latter null where it is larger than 64 KiB. What is still
-- unjudged keeps it too, with its hash, until it turns out to be no conflict.
CREATE TABLE duplicates (
  received_at timestamptz NOT NULL,
  shard integer NOT NULL,
  seq bigint NOT NULL,
  event_id uuid NOT NULL,
  topic text COLLATE "C" NOT NULL,
  source text NOT NULL,
  conflict boolean,
  content_hash bigint,
  "timestamp" timestamptz,
  payload jsonb,
  CONSTRAINT duplicates_keep_conflicts_only CHECK (
    CASE WHEN conflict IS FALSE THEN num_nonnulls(content_hash, "timestamp", payload) = 0
    ELSE num_nonnulls(content_hash, "timestamp") = 2 END
  )
) PARTITION BY RANGE (received_at);
-- The order of pages. Arrivals are appended at its right edge, which is the cheapest place of an index.
CREATE INDEX duplicates_newest ON duplicates (received_at, shard, seq);
-- Why was mine dropped?
CREATE INDEX duplicates_of_identity ON duplicates (event_id);
-- Conflicts in the order of pages, and what is still to be judged. Queries repeat the predicate.
CREATE INDEX duplicates_marked ON duplicates (conflict, received_at, shard, seq) WHERE conflict IS NOT FALSE;
CREATE TABLE duplicates_default PARTITION OF duplicates DEFAULT;

-- What the audit does not hold any more, or never held: what was counted before there was one, and what its retention
-- has taken. Rows and this together are exactly what `counters` say (P3).
ALTER TABLE counters ADD COLUMN conflicts bigint NOT NULL DEFAULT 0
  CHECK (conflicts BETWEEN 0 AND duplicate_dropped);
CREATE TABLE audit_forgotten (
  duplicates bigint NOT NULL CHECK (duplicates >= 0),
  conflicts bigint NOT NULL CHECK (conflicts BETWEEN 0 AND duplicates),
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO audit_forgotten SELECT coalesce(sum(duplicate_dropped), 0), 0 FROM counters;

-- Two tables are partitioned by arrival now, by the same functions. These take the table's name and are nobody's to
-- call; what the serving role may call, below, takes none.
ALTER TABLE partitions ADD COLUMN parent text NOT NULL DEFAULT 'events' CHECK (parent IN ('events', 'duplicates'));
ALTER TABLE partitions DROP CONSTRAINT partitions_upper_at_key;
ALTER TABLE partitions ADD UNIQUE (parent, upper_at);

CREATE FUNCTION make_partitions_of(parent_name text, by_day boolean, days_ahead integer) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  step text := CASE WHEN by_day THEN 'day' ELSE 'month' END;
  default_name text := parent_name || '_default';
  lower_at timestamptz;
  upper_at timestamptz;
  partition_name text;
  has_strays boolean;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '.make_partitions', 0));
  SELECT greatest(max(p.upper_at), date_trunc(step, now())) INTO lower_at
  FROM partitions p WHERE p.parent = parent_name;
  WHILE lower_at < now() + make_interval(days => days_ahead) LOOP
    upper_at := date_trunc(step, lower_at) + ('1 ' || step)::interval;
    partition_name := parent_name || '_from_' || to_char(lower_at, 'YYYYMMDD');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition_name, parent_name);
    -- Rows that arrived before their partition was made lie in the default one, and would keep it from being attached.
    EXECUTE format('SELECT EXISTS (SELECT FROM %I d WHERE d.received_at >= $1 AND d.received_at < $2)', default_name)
      INTO has_strays USING lower_at, upper_at;
    IF has_strays THEN
      EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', default_name);
      EXECUTE format('WITH stray AS (DELETE FROM %I d WHERE d.received_at >= $1 AND d.received_at < $2
        RETURNING d.*) INSERT INTO %I SELECT * FROM stray', default_name, partition_name) USING lower_at, upper_at;
    END IF;
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT arrival CHECK (received_at >= %L AND received_at < %L)',
      partition_name, lower_at, upper_at);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      parent_name, partition_name, lower_at, upper_at);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT arrival', partition_name);
    INSERT INTO partitions VALUES (partition_name, lower_at, upper_at, parent_name);
    made := made + 1;
    lower_at := upper_at;
  END LOOP;
  RETURN made;
END $$;
REVOKE ALL ON FUNCTION make_partitions_of(text, boolean, integer) FROM PUBLIC;

-- Drops the partitions in which everything arrived more than retention_days ago.
CREATE FUNCTION drop_expired_partitions_of(parent_name text, retention_days integer) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  expired record;
  dropped integer := 0;
BEGIN
  IF retention_days < 1 THEN
    RAISE EXCEPTION 'retention is at least one day' USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '.make_partitions', 0));
  FOR expired IN
    SELECT p.name FROM partitions p
    WHERE p.parent = parent_name AND p.upper_at <= now() - make_interval(days => retention_days) ORDER BY p.upper_at
  LOOP
    EXECUTE format('DROP TABLE %I', expired.name);
    DELETE FROM partitions p WHERE p.name = expired.name;
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION drop_expired_partitions_of(text, integer) FROM PUBLIC;

-- As before: no text arguments, SECURITY DEFINER, so that the serving role defines no tables.
CREATE OR REPLACE FUNCTION make_partitions(by_day boolean, days_ahead integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT make_partitions_of('events', by_day, days_ahead);
$$;
CREATE OR REPLACE FUNCTION drop_expired_partitions(retention_days integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT drop_expired_partitions_of('events', retention_days);
$$;
CREATE FUNCTION make_audit_partitions(by_day boolean, days_ahead integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT make_partitions_of('duplicates', by_day, days_ahead);
$$;
REVOKE ALL ON FUNCTION make_audit_partitions(boolean, integer) FROM PUBLIC;

-- What is dropped is counted first, under a lock that keeps it from being judged meanwhile, but not from being read.
-- All is counted before anything is dropped: dropping makes inserts wait, counting does not.
CREATE FUNCTION drop_expired_audit_partitions(retention_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
  expired record;
  forgotten bigint;
  forgotten_conflicts bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '.make_partitions', 0));
  FOR expired IN
    SELECT p.name FROM partitions p
    WHERE p.parent = 'duplicates' AND p.upper_at <= now() - make_interval(days => retention_days) ORDER BY p.upper_at
  LOOP
    EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', expired.name);
    EXECUTE format('SELECT count(*), count(*) FILTER (WHERE conflict) FROM %I', expired.name)
      INTO forgotten, forgotten_conflicts;
    UPDATE audit_forgotten SET duplicates = duplicates + forgotten, conflicts = conflicts + forgotten_conflicts;
  END LOOP;
  RETURN drop_expired_partitions_of('duplicates', retention_days);
END $$;
REVOKE ALL ON FUNCTION drop_expired_audit_partitions(integer) FROM PUBLIC;
