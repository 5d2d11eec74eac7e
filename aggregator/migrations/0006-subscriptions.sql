-- Durable subscriptions: how far each has come in the feed, what its consumers hold, what they could not deal with.

-- `start` is where it began, in the words of the request, so that the same definition can be told from another one.
CREATE TABLE subscriptions (
  name text COLLATE "C" PRIMARY KEY CHECK (char_length(name) BETWEEN 1 AND 64),
  topic text COLLATE "C" NOT NULL,
  topic_regex text NOT NULL,
  start text NOT NULL,
  ack_timeout_s integer NOT NULL CHECK (ack_timeout_s > 0),
  deliveries_max integer NOT NULL CHECK (deliveries_max > 0),
  created_at timestamptz NOT NULL DEFAULT now()
);

-- The cursor: everything of a shard up to seq was handed out, or did not match. `expired` counts the seqs that
-- retention took before they were looked at.
CREATE TABLE subscription_cursors (
  subscription text COLLATE "C" NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
  shard integer NOT NULL,
  seq bigint NOT NULL,
  expired bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (subscription, shard)
) WITH (fillfactor = 50);

-- Events in the hands of consumers, not yet acknowledged. `attempt` counts how often an event was handed out, and is
-- part of what acknowledges it: an answer that comes after the event went to somebody else changes nothing.
CREATE TABLE leases (
  subscription text COLLATE "C" NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
  shard integer NOT NULL,
  seq bigint NOT NULL,
  attempt integer NOT NULL CHECK (attempt > 0),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (subscription, shard, seq)
);
CREATE INDEX leases_due ON leases (subscription, expires_at);

-- What was handed out so often as may be and never acknowledged ('unacknowledged'), or was taken by retention while
-- it was out ('expired', then without its record). The record is kept, whatever retention takes later.
CREATE TABLE subscription_dead_letters (
  subscription text COLLATE "C" NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
  shard integer NOT NULL,
  seq bigint NOT NULL,
  attempts integer NOT NULL,
  reason text NOT NULL CHECK (reason IN ('unacknowledged', 'expired')),
  record text,
  dead_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subscription, shard, seq)
);

-- An event as `/events` shows it.
CREATE FUNCTION record_of(e events) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT '{"topic":' || to_json(e.topic) || ',"event_id":"' || e.event_id
    || '","timestamp":' || replace(to_json(e."timestamp")::text, '+00:00"', 'Z"')
    || ',"source":' || to_json(e.source) || ',"payload":' || e.payload
    || ',"received_at":' || replace(to_json(e.received_at)::text, '+00:00"', 'Z"') || '}'
$$;
