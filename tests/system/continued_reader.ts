/** Reads a connection on which a read may be under way already: one that watched for its end while nothing was asked. */
export class ContinuedReader {
  #reading: Promise<number | null> | undefined;

  /** Continues the read that is under way, if one is: whatever it gets is the beginning of the answer. */
  read(conn: Deno.Conn, room: Uint8Array): Promise<number | null> {
    const reading = this.#reading ?? conn.read(room);
    this.#reading = reading;
    const done = () => {
      if (this.#reading === reading) this.#reading = undefined;
    };
    reading.then(done, done);
    return reading;
  }

  /** The next read is of another connection. */
  forget(): void {
    this.#reading = undefined;
  }
}
