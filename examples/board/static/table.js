// The rows that this window knows.

/**
 * Rows of one kind, by id.
 *
 * A change may arrive twice (the stream and the answer to the window's own request), late or in another
 * order. So a row keeps the newest version it was given, and one that was deleted stays away.
 */
export class Table {
  rows = new Map();
  #deleted = new Set();

  /** Take an update; tell whether it changed anything. */
  take({ event, id, data }) {
    if (event === "delete") {
      this.#deleted.add(id);
      return this.rows.delete(id);
    }
    if (this.#deleted.has(id) || this.rows.get(id)?.version >= data.version) return false;
    this.rows.set(id, { ...data, id });
    return true;
  }

  /** Take all rows there are; return the ids of those that this changed. */
  takeAll(rows) {
    const there = new Set(rows.map((row) => row.id));
    for (const id of [...this.rows.keys()]) {
      if (!there.has(id)) this.take({ event: "delete", id });
    }
    return rows.filter((row) => this.take({ event: "update", id: row.id, data: row })).map((row) => row.id);
  }
}
