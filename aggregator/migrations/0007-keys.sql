-- Who may do what: keys, of which only the digest is kept, and the secret that the dashboard's sessions are signed by.

-- A key's text is 256 random bits, so its SHA-256 can't be turned back by guessing, and needs no salt. `topics` are
-- patterns as the contract writes them. A revoked key keeps its row and its name: what was done under it stays told.
CREATE TABLE keys (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL CONSTRAINT keys_name_once UNIQUE
    CONSTRAINT keys_name_form CHECK (name ~ '^[A-Za-z0-9._-]{1,64}$'),
  digest bytea NOT NULL CONSTRAINT keys_digest_once UNIQUE
    CONSTRAINT keys_digest_length CHECK (octet_length(digest) = 32),
  scopes text[] NOT NULL
    CONSTRAINT keys_scopes_known CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['publish', 'read', 'admin']),
  topics text[] NOT NULL CONSTRAINT keys_topics_bounded CHECK (cardinality(topics) BETWEEN 1 AND 100),
  -- Events a second, and how many at once; null: as many as the service takes.
  rate integer CONSTRAINT keys_rate_positive CHECK (rate > 0),
  burst integer CONSTRAINT keys_burst_positive CHECK (burst > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  CONSTRAINT keys_burst_with_rate CHECK ((rate IS NULL) = (burst IS NULL))
);

-- One for the installation, so that any process can tell a session that another one began. gen_random_uuid draws 122
-- bits from the server's strong random source; three of them are more than the 256 that are kept.
CREATE TABLE session_secret (
  is_only boolean PRIMARY KEY DEFAULT true CONSTRAINT session_secret_is_one CHECK (is_only),
  secret bytea NOT NULL CONSTRAINT session_secret_length CHECK (octet_length(secret) = 32)
);
INSERT INTO session_secret (secret)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
