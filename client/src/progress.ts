/**
 * How far a reader of a stream has come: the cursor to come back with, and what it was given beyond it.
 *
 * The service writes an id with the last event of a chunk. Whoever comes back with the last id is sent what follows it:
 * of a chunk that was cut off, the events that had come already come again, perhaps in smaller chunks. They are known
 * by their text, which holds their identity and is the same each time, so that each event is given once. What is
 * remembered is what was given since the last id: a chunk.
 */
export class Progress {
  lastId: string;
  /** Given since the last id. */
  #beyond = new Set<string>();
  /** Given on connections before this one, beyond the id that it began with: these will come again. */
  readonly #returning = new Set<string>();

  constructor(lastId: string) {
    this.lastId = lastId;
  }

  /** A new connection, with the last id. */
  begin(): void {
    for (const record of this.#beyond) this.#returning.add(record);
    this.#beyond = new Set();
  }

  isNew(record: string): boolean {
    return !this.#returning.has(record);
  }

  /** An event has been given, now or before. */
  pass(record: string, id: string | undefined): void {
    this.#returning.delete(record);
    this.#beyond.add(record);
    if (id !== undefined) this.moveTo(id);
  }

  /** Everything up to this id has been given. */
  moveTo(id: string): void {
    this.lastId = id;
    this.#beyond = new Set();
  }
}
