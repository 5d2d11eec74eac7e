-- The tables of one event's way: what is stored, what is counted, how far each shard has been committed.
-- Every object is made in the schema that the migrating connection's search_path names.

-- Who this installation is. Redis carries the same id, so that a foreign Redis is refused.
CREATE TABLE installation (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now(),
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO installation DEFAULT VALUES;

-- The durable deduplication store (P2): one row for each identity, for ever, whatever retention takes from `events`.
-- event_id comes first in the key because it is the selective half; there is no other index.
CREATE TABLE identities (
  event_id uuid NOT NULL,
  topic text COLLATE "C" NOT NULL,
  shard integer NOT NULL,
  seq bigint NOT NULL,
  received_at timestamptz NOT NULL,
  content_hash bigint NOT NULL,
  hash_version smallint NOT NULL,
  CONSTRAINT identities_once PRIMARY KEY (event_id, topic),
  CONSTRAINT identities_topic_length CHECK (char_length(topic) BETWEEN 1 AND 255)
);

-- What was sent, first committed delivery of each identity. Partitioned by arrival, so that retention drops whole
-- partitions; Postgres then wants received_at in every unique key, which is why uniqueness lives in `identities`.
CREATE TABLE events (
  topic text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  "timestamp" timestamptz NOT NULL,
  source text NOT NULL,
  payload jsonb NOT NULL,
  received_at timestamptz NOT NULL,
  shard integer NOT NULL,
  seq bigint NOT NULL,
  CONSTRAINT events_source_length CHECK (char_length(source) BETWEEN 1 AND 255),
  CONSTRAINT events_payload_is_object CHECK (jsonb_typeof(payload) = 'object')
) PARTITION BY RANGE (received_at);
CREATE INDEX events_newest ON events (topic, "timestamp" DESC, event_id DESC);
-- The net under the dated partitions; rows in it are an alarm, not a loss.
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- The dated partitions of `events`: [lower_at, upper_at).
CREATE TABLE partitions (
  name text PRIMARY KEY,
  lower_at timestamptz NOT NULL,
  upper_at timestamptz NOT NULL UNIQUE,
  CHECK (lower_at < upper_at)
);

-- How far each shard has been committed (P3): seq = unique + duplicate + dead + deliveries lost in gaps.
-- `fence` is raised whenever a producer takes a shard up again: a batch that was read before that does not commit.
CREATE TABLE positions (
  shard integer PRIMARY KEY CHECK (shard >= 0),
  epoch bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
  issued_epoch bigint NOT NULL DEFAULT 0 CHECK (issued_epoch >= epoch),
  fence bigint NOT NULL DEFAULT 0,
  moved_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- The topic '' counts dead letters, whose topic can't be trusted.
CREATE TABLE counters (
  shard integer NOT NULL,
  topic text COLLATE "C" NOT NULL,
  unique_processed bigint NOT NULL DEFAULT 0 CHECK (unique_processed >= 0),
  duplicate_dropped bigint NOT NULL DEFAULT 0 CHECK (duplicate_dropped >= 0),
  dead_lettered bigint NOT NULL DEFAULT 0 CHECK (dead_lettered >= 0),
  PRIMARY KEY (shard, topic)
) WITH (fillfactor = 50);

-- What Postgres can never store, with its raw bytes. `deliveries` is more than 1 where an entry could not even be
-- taken apart; seq is the last one of them.
CREATE TABLE dead_letters (
  shard integer NOT NULL,
  seq bigint NOT NULL,
  deliveries bigint NOT NULL CHECK (deliveries > 0),
  sqlstate text NOT NULL,
  reason text NOT NULL,
  raw bytea NOT NULL,
  dead_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (shard, seq)
);

-- What Redis acknowledged and then lost (P4): the deliveries after_seq + 1 … through_seq of a shard.
-- cause 'redis': Redis came back with less than it had acknowledged, noticed when `epoch` was issued.
-- cause 'gap': entries of the stream are missing though Redis still had counted them.
CREATE TABLE losses (
  shard integer NOT NULL,
  epoch bigint NOT NULL,
  cause text NOT NULL CHECK (cause IN ('redis', 'gap')),
  after_seq bigint NOT NULL,
  through_seq bigint NOT NULL CHECK (through_seq >= after_seq),
  noticed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (shard, epoch, cause, after_seq)
);

-- Each epoch that was issued, and the seq it continues from.
CREATE TABLE epochs (
  shard integer NOT NULL,
  epoch bigint NOT NULL,
  base_seq bigint NOT NULL,
  issued_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (shard, epoch)
);

-- Fails the statement that calls it unless both numbers agree. 22000 makes it a data error, so that the batch is
-- examined delivery by delivery instead of being retried for ever.
CREATE FUNCTION exactly(actual bigint, expected bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF actual IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'the entries announce % deliveries and hold %', expected, actual USING ERRCODE = '22000';
  END IF;
  RETURN actual;
END $$;

-- Takes one entry apart and says of each delivery why Postgres refuses it (null where it does not): casts and the
-- rules of the tables, nothing else. A single row with ord null: the entry itself can't be taken apart.
CREATE FUNCTION examine_entry(body bytea, expected bigint)
RETURNS TABLE (ord bigint, raw text, refused_with text, reason text) LANGUAGE plpgsql AS $$
DECLARE
  entry json;
  element record;
  d record;
BEGIN
  BEGIN
    entry := ('[' || convert_from(body, 'UTF8') || ']')::json;
    PERFORM exactly(json_array_length(entry)::bigint, expected);
  EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
    ord := NULL; raw := NULL; refused_with := SQLSTATE; reason := SQLERRM;
    RETURN NEXT;
    RETURN;
  END;
  FOR element IN SELECT e.value, e.ordinality FROM json_array_elements(entry) WITH ORDINALITY AS e LOOP
    ord := element.ordinality; raw := element.value::text; refused_with := NULL; reason := NULL;
    BEGIN
      SELECT * INTO d FROM json_to_record(element.value)
        AS r (topic text, event_id uuid, "timestamp" timestamptz, source text, payload jsonb);
      IF d.topic IS NULL OR d.event_id IS NULL OR d."timestamp" IS NULL OR d.source IS NULL OR d.payload IS NULL THEN
        refused_with := '23502'; reason := 'a field is missing or null';
      ELSIF char_length(d.topic) NOT BETWEEN 1 AND 255 THEN
        refused_with := '23514'; reason := 'identities_topic_length';
      ELSIF char_length(d.source) NOT BETWEEN 1 AND 255 THEN
        refused_with := '23514'; reason := 'events_source_length';
      ELSIF jsonb_typeof(d.payload) <> 'object' THEN
        refused_with := '23514'; reason := 'events_payload_is_object';
      END IF;
    EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
      refused_with := SQLSTATE; reason := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
END $$;

-- Makes the partitions that arrivals of the coming days fall into, and returns how many. SECURITY DEFINER: the
-- serving role defines no tables. LIKE + CHECK + ATTACH instead of CREATE … PARTITION OF, which would make inserts
-- wait behind any slow reader; lock_timeout bounds what is left of the waiting.
CREATE FUNCTION make_partitions(by_day boolean, days_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  step text := CASE WHEN by_day THEN 'day' ELSE 'month' END;
  lower_at timestamptz;
  upper_at timestamptz;
  partition_name text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || '.make_partitions', 0));
  SELECT greatest(max(p.upper_at), date_trunc(step, now())) INTO lower_at FROM partitions p;
  WHILE lower_at < now() + make_interval(days => days_ahead) LOOP
    upper_at := date_trunc(step, lower_at) + ('1 ' || step)::interval;
    partition_name := 'events_from_' || to_char(lower_at, 'YYYYMMDD');
    EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', partition_name);
    -- Rows that arrived before their partition was made lie in the default one, and would keep it from being attached.
    IF EXISTS (SELECT FROM events_default d WHERE d.received_at >= lower_at AND d.received_at < upper_at) THEN
      LOCK TABLE events_default IN ACCESS EXCLUSIVE MODE;
      EXECUTE format('WITH stray AS (DELETE FROM events_default d WHERE d.received_at >= $1 AND d.received_at < $2
        RETURNING d.*) INSERT INTO %I SELECT * FROM stray', partition_name) USING lower_at, upper_at;
    END IF;
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT arrival CHECK (received_at >= %L AND received_at < %L)',
      partition_name, lower_at, upper_at);
    EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      partition_name, lower_at, upper_at);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT arrival', partition_name);
    INSERT INTO partitions VALUES (partition_name, lower_at, upper_at);
    made := made + 1;
    lower_at := upper_at;
  END LOOP;
  RETURN made;
END $$;
REVOKE ALL ON FUNCTION make_partitions(boolean, integer) FROM PUBLIC;

-- Drops the partitions in which every event arrived more than retention_days ago. Identities stay.
CREATE FUNCTION drop_expired_partitions(retention_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
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
    WHERE p.upper_at <= now() - make_interval(days => retention_days) ORDER BY p.upper_at
  LOOP
    EXECUTE format('DROP TABLE %I', expired.name);
    DELETE FROM partitions p WHERE p.name = expired.name;
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION drop_expired_partitions(integer) FROM PUBLIC;
