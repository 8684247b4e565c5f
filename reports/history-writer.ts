/** `history.ndjson`: what was observed, one event per line, written while the run goes on. */
import { close, openSync, write, writeSync } from 'node:fs';
import { basename } from 'node:path';
import type { HistoryFile } from './results.ts';
import { maskSecrets } from './secrets.ts';

/** One event. `check` is the id of the check that saw it. */
export type HistoryLine = { readonly check: string; readonly [field: string]: unknown };

/** Above so many bytes that wait for the disk, `append` asks its caller to wait. */
const HIGH_WATER_BYTES = 1 << 20;

/**
 * Writes one batch at a time; what comes meanwhile is the next batch. Every batch has its place in the file, so an
 * interrupted run can write the rest again with `closeNow` and leaves whole lines.
 */
export class HistoryWriter {
  readonly #file: string;
  readonly #descriptor: number;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #inFlight: Buffer | undefined;
  #position = 0;
  #lines = 0;
  #closed = false;
  #error: Error | undefined;
  #idle: (() => void)[] = [];

  /** Creates or empties the file; its directory must exist. */
  constructor(path: string) {
    this.#file = basename(path);
    this.#descriptor = openSync(path, 'w');
  }

  /** Appended so far. */
  get lines(): number {
    return this.#lines;
  }

  /** Returns false when more than 1 MiB waits for the disk: then await `drained()`. Throws when the disk refused. */
  append(line: HistoryLine): boolean {
    if (this.#error) throw this.#error;
    if (this.#closed) throw new Error(`${this.#file} is closed`);
    const text = `${maskSecrets(JSON.stringify(line))}\n`;
    this.#waiting.push(text);
    this.#waitingBytes += text.length;
    this.#lines++;
    if (this.#inFlight === undefined) this.#writeBatch();
    return this.#waitingBytes < HIGH_WATER_BYTES;
  }

  /** Resolves when every line is with the operating system. */
  drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => (this.#error ? reject(this.#error) : resolve());
      if (this.#inFlight === undefined) settle();
      else this.#idle.push(settle);
    });
  }

  /** Writes what waits and closes the file. Idempotent. */
  async close(): Promise<HistoryFile> {
    if (!this.#closed) {
      this.#closed = true;
      try {
        await this.drained();
      } finally {
        await new Promise<void>((resolve) => close(this.#descriptor, () => resolve()));
      }
    }
    return { file: this.#file, lines: this.#lines };
  }

  /** For a process that ends at once: writes what waits, synchronously. The process's end closes the file. */
  closeNow(): void {
    if (this.#closed && this.#inFlight === undefined) return;
    this.#closed = true;
    const rest = Buffer.concat([this.#inFlight ?? Buffer.alloc(0), this.#takeBatch()]);
    for (let done = 0; done < rest.length; ) {
      done += writeSync(this.#descriptor, rest, done, rest.length - done, this.#position + done);
    }
  }

  #takeBatch(): Buffer {
    const batch = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingBytes = 0;
    return batch;
  }

  #writeBatch(): void {
    const batch = this.#takeBatch();
    this.#inFlight = batch;
    this.#writeRest(batch);
  }

  #writeRest(rest: Buffer): void {
    write(this.#descriptor, rest, 0, rest.length, this.#position, (error, written) => {
      if (error) {
        this.#error = error;
        this.#settle();
        return;
      }
      this.#position += written;
      const left = rest.subarray(written);
      this.#inFlight = left;
      if (left.length > 0) this.#writeRest(left);
      else if (this.#waiting.length > 0) this.#writeBatch();
      else this.#settle();
    });
  }

  #settle(): void {
    this.#inFlight = undefined;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
