/** Reads the heads of HTTP/1.1 requests as they pass on one connection (RFC 9112); changes nothing. */

export interface PassedRequest {
  readonly method: string;
  /** The request target as sent. */
  readonly path: string;
}

/** A head that is longer is not looked at, nor is what comes after it on that connection. */
const MAX_HEAD = 32 * 1024;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.[01]\r?\n/;

/**
 * Push bytes in any pieces; `onRequest` is called at the end of each head. Keep-alive and pipelining are understood.
 * It gives up, silently, at what is not HTTP and where a body follows of which the length is not told.
 */
export class RequestHeads {
  readonly #onRequest: (request: PassedRequest) => void;
  #head = '';
  /** Bytes of a body that are still to come. */
  #body = 0;
  #isLost = false;

  constructor(onRequest: (request: PassedRequest) => void) {
    this.#onRequest = onRequest;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.#isLost) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, bytes.length - at);
        this.#body -= skipped;
        at += skipped;
      } else at = this.#readHead(bytes, at);
    }
  }

  /** Returns where the rest begins. */
  #readHead(bytes: Buffer, at: number): number {
    const known = this.#head.length;
    // A blank line may be split over two pieces.
    const text = this.#head + bytes.toString('latin1', at, Math.min(bytes.length, at + MAX_HEAD - known));
    const blank = /\r?\n\r?\n/.exec(text.slice(Math.max(0, known - 3)));
    if (blank === null) {
      this.#head = text;
      if (text.length >= MAX_HEAD) this.#lose();
      return bytes.length;
    }
    const end = Math.max(0, known - 3) + blank.index + blank[0].length;
    this.#head = '';
    this.#take(text.slice(0, end));
    return at + end - known;
  }

  #take(head: string): void {
    // RFC 9112 2.2: empty lines before a request line are passed over.
    const line = REQUEST_LINE.exec(head.replace(/^(\r?\n)+/, ''));
    const [, method, path] = line ?? [];
    if (method === undefined || path === undefined) {
      if (head.trim() !== '') this.#lose();
      return;
    }
    this.#onRequest({ method, path });
    if (/\n(transfer-encoding|upgrade):/i.test(head)) this.#lose();
    else this.#body = Number(/\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r?\n/i.exec(head)?.[1] ?? 0);
  }

  #lose(): void {
    this.#isLost = true;
    this.#head = '';
  }
}
