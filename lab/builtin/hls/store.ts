/** The HLS files of one stream: in memory for the node's own HTTP port, and in a folder for whoever serves that. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../log.ts';

/**
 * A file in the folder is there whole or not at all: it is written under another name and renamed. Writes and removals
 * happen in the order of the calls, and nobody waits for them.
 */
export class HlsStore {
  readonly #folder: string;
  readonly #log: Log;
  readonly #files = new Map<string, Uint8Array>();
  #last: Promise<unknown>;

  /** @param folder made when it is not there. */
  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
    this.#last = mkdir(folder, { recursive: true }).catch((error) => this.#onFailed(error));
  }

  get(name: string): Uint8Array | undefined {
    return this.#files.get(name);
  }

  put(name: string, bytes: Uint8Array): void {
    this.#files.set(name, bytes);
    const file = path.join(this.#folder, name);
    this.#then(async () => {
      await writeFile(`${file}.tmp`, bytes);
      await rename(`${file}.tmp`, file);
    });
  }

  delete(name: string): void {
    if (!this.#files.delete(name)) return;
    this.#then(() => rm(path.join(this.#folder, name), { force: true }));
  }

  clear(): void {
    for (const name of [...this.#files.keys()]) this.delete(name);
  }

  #then(task: () => Promise<unknown>): void {
    this.#last = this.#last.then(task).catch((error) => this.#onFailed(error));
  }

  /** Players of the node's own port are served all the same (SRS: hls_on_error continue). */
  #onFailed(error: unknown): void {
    this.#log(`hls: ${error instanceof Error ? error.message : error}`);
  }
}
