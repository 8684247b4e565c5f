/** One line a second: on a terminal it is written over, elsewhere each is a line of its own. */
import type { Writable } from 'node:stream';
import { isTerminal } from './output.ts';

const CARRIAGE_RETURN_AND_ERASE = '\r\u001b[2K';

export class Progress {
  readonly #stream: Writable;
  readonly #terminal: boolean;
  #shown = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    this.#terminal = isTerminal(stream);
  }

  /** `text` is plain and of one line; on a terminal what does not fit is cut off. */
  show(text: string): void {
    if (!this.#terminal) {
      this.#stream.write(`${text}\n`);
      return;
    }
    const columns = (this.#stream as NodeJS.WriteStream).columns || 80;
    this.#stream.write(CARRIAGE_RETURN_AND_ERASE + text.slice(0, columns - 1));
    this.#shown = true;
  }

  /** Leaves the last line standing. */
  end(): void {
    if (this.#shown) this.#stream.write('\n');
    this.#shown = false;
  }
}
