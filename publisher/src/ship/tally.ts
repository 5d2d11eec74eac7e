/** What became of the lines. Each line that was read is in exactly one of the last four: nothing disappears. */
export type Tally = {
  read: number;
  /** Handed to at least one request. */
  sent: number;
  acknowledged: number;
  /** Of those acknowledged, by verdict. */
  stored: number;
  duplicates: number;
  dead_lettered: number;
  /** The aggregator said what is wrong with them. */
  refused: number;
  /** Sent, and not acknowledged within the bounds; whether they were stored is unknown. */
  given_up: number;
  /** Read, and left when the run stopped. */
  unsent: number;
  requests_retried: number;
};

export function emptyTally(): Tally {
  return {
    read: 0,
    sent: 0,
    acknowledged: 0,
    stored: 0,
    duplicates: 0,
    dead_lettered: 0,
    refused: 0,
    given_up: 0,
    unsent: 0,
    requests_retried: 0,
  };
}

export function isWhole(tally: Tally): boolean {
  return tally.read === tally.acknowledged + tally.refused + tally.given_up + tally.unsent;
}
