/** A raw HTTP/1.1 client for checks: requests as bytes, well-formed or not, and what came back. */
import { type ResponseHead, ResponseReader } from '../../protocols/http1/response-reader.ts';
import { WireSocket, type WireTarget } from './socket.ts';

/** What is kept of one answer, in bytes: some seconds of a small stream. */
const KEPT_BYTES = 16 * 1024 * 1024;
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})[ \r]/;

export class WireHttp {
  readonly socket: WireSocket;
  readonly #pieces: Uint8Array[] = [];
  readonly #reader: ResponseReader;
  #head: ResponseHead | undefined;
  #body: Buffer[] = [];
  #readable = true;
  #kept = 0;

  private constructor(socket: WireSocket) {
    this.socket = socket;
    socket.onBytes = (bytes) => {
      if (this.#kept >= KEPT_BYTES) return;
      this.#kept += bytes.length;
      this.#pieces.push(bytes);
      this.#read(bytes);
    };
    this.#reader = new ResponseReader({
      onHead: (head) => {
        this.#head = head;
      },
      onBody: (bytes, start, end) => this.#body.push(Buffer.from(bytes.subarray(start, end))),
      onEnd: () => {},
    });
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

  /** Head of the first answer; undefined until it is whole. */
  head(): ResponseHead | undefined {
    return this.#head;
  }

  /** Body of the first answer so far, without its framing. */
  body(): Buffer {
    if (this.#body.length > 1) this.#body = [Buffer.concat(this.#body)];
    return this.#body[0] ?? Buffer.alloc(0);
  }

  close(): void {
    this.socket.close();
  }

  /** What cannot be read stays in `received`. */
  #read(bytes: Uint8Array): void {
    if (!this.#readable) return;
    try {
      this.#reader.push(bytes, 0, bytes.length);
    } catch {
      this.#readable = false;
    }
  }
}
