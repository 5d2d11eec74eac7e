#!/bin/sh
# publish.sh TOPIC [PAYLOAD]: one event, named once, and sent until it is acknowledged. URL, SOURCE and SEKALI_KEY come
# from the environment.
set -eu
event=$(printf '{"topic":"%s","event_id":"%s","timestamp":"%s","source":"%s","payload":%s}' "$1" \
  "$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
  "${SOURCE:-$(hostname)}" "${2:-"{}"}")
send() {
  # The key by standard input: arguments can be read by everybody on the machine.
  if [ -n "${SEKALI_KEY:-}" ]; then printf 'header = "Authorization: Bearer %s"\n' "$SEKALI_KEY"; fi |
    curl --fail-with-body --silent --show-error --retry 20 --retry-connrefused --max-time 30 --config - \
      --header 'content-type: application/json' --data "$event" "${URL:-http://127.0.0.1:8080}/publish"
}

# curl repeats 503 and 429 by itself, after Retry-After. A connection that broke it does not, and what it is told to
# repeat in all cases it repeats after a 422 too, so this is done here. 22 is an answer that stays as it is.
for delay in 1 1 2 4 8 16; do
  code=0
  send || code=$?
  case $code in 0 | 22) exit "$code" ;; esac
  sleep "$delay"
done
exit "$code"
