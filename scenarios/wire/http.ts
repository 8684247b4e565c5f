/** A raw HTTP/1.1 client for checks: requests as bytes, well-formed or not, and what came back, unread. */
import { WireSocket, type WireTarget } from './socket.ts';

/** What is kept of one answer, in bytes: some seconds of a small stream. */
const KEPT_BYTES = 16 * 1024 * 1024;
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})[ \r]/;

export class WireHttp {
  readonly socket: WireSocket;
  readonly #pieces: Uint8Array[] = [];
  #kept = 0;

  private constructor(socket: WireSocket) {
    this.socket = socket;
    socket.onBytes = (bytes) => {
      if (this.#kept >= KEPT_BYTES) return;
      this.#kept += bytes.length;
      this.#pieces.push(bytes);
    };
  }

  /** TCP only. @throws WireError(Refused) */
  static async open(target: WireTarget): Promise<WireHttp> {
    return new WireHttp(await WireSocket.open(target));
  }

  /** Bytes, or text in Latin-1, as it is. */
  raw(bytes: Uint8Array | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** A well-formed GET. */
  get(path: string, host = 'liveproof'): void {
    this.raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: liveproof\r\nAccept: */*\r\n\r\n`);
  }

  /** Everything that came so far, up to a bound. */
  received(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** Status code of the first answer; undefined as long as there is none. */
  status(): number | undefined {
    const first = this.received().subarray(0, 64).toString('latin1');
    const match = STATUS_LINE.exec(first);
    return match === null ? undefined : Number(match[1]);
  }

  close(): void {
    this.socket.close();
  }
}
