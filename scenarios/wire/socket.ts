/**
 * A TCP connection with nothing on top: bytes as they are wanted, legal or not, and an exact account of how the
 * peer ends it. What the peer sends is kept up to a bound, so a check cannot be made to swell by its subject.
 */
import { createConnection, type Socket } from 'node:net';
import { resetSocket } from '../../lab/taps/reset.ts';

/** How a connection came to its end, as seen from here. */
export interface WireEnd {
  /** `fin`: the peer closed in order; `reset`: it reset, or did not take our bytes; `local`: we closed. */
  readonly how: 'fin' | 'reset' | 'local';
  /** Epoch milliseconds with fraction. */
  readonly at: number;
  /** System error code, empty for an orderly end. */
  readonly code: string;
}

/** Stable codes of {@link WireError}. */
export const WireErrorCode = {
  /** TCP could not be opened. */
  Refused: 'wire.refused',
  /** Nothing that was waited for came within its time. */
  Timeout: 'wire.timeout',
  /** The peer closed before what was waited for had come. */
  Closed: 'wire.closed',
  /** The peer sent more than is kept. */
  Flooded: 'wire.flooded',
} as const;
export type WireErrorCode = (typeof WireErrorCode)[keyof typeof WireErrorCode];

/** The peer did not do what a step of a check waits for. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;
  readonly expected: string;
  readonly actual: string;

  constructor(code: WireErrorCode, expected: string, actual: string) {
    super(`${code}: expected ${expected}, got ${actual}`);
    this.code = code;
    this.expected = expected;
    this.actual = actual;
  }
}

export interface WireTarget {
  readonly host: string;
  readonly port: number;
  /** Source address; the system chooses when left out. */
  readonly localAddress?: string;
}

/** Epoch milliseconds with fraction, on a clock that does not jump during a run. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

export class WireSocket {
  /** TCP may take this long to open, in ms. Loopback and LAN take less than one. */
  static readonly openWithinMs = 3000;

  readonly #socket: Socket;
  readonly #wakers = new Set<() => void>();
  #end: WireEnd | undefined;
  #bytesIn = 0;
  /** Called with every piece the peer sends. The bytes stay valid. */
  onBytes: (bytes: Uint8Array) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.#bytesIn += bytes.length;
      this.onBytes(bytes);
      this.#wake();
    });
    socket.on('end', () => this.#ended('fin', ''));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#ended('reset', error.code ?? error.message));
    socket.on('close', () => this.#ended('local', ''));
  }

  /** @throws WireError(Refused) when TCP does not open within that time. */
  static open(target: WireTarget, withinMs: number = WireSocket.openWithinMs): Promise<WireSocket> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ ...target, allowHalfOpen: false });
      const refuse = (why: string): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(new WireError(WireErrorCode.Refused, `TCP to ${target.host}:${target.port}`, why));
      };
      const timer = setTimeout(refuse, withinMs, 'silence');
      const onError = (error: NodeJS.ErrnoException): void => refuse(error.code ?? error.message);
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        resolve(new WireSocket(socket));
      });
    });
  }

  /** Bytes that came so far. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** undefined while the connection stands. */
  get end(): WireEnd | undefined {
    return this.#end;
  }

  /** Written in one system call where the kernel has room. Without effect once the connection has ended. */
  write(bytes: Uint8Array): void {
    if (this.#end === undefined && !this.#socket.writableEnded) this.#socket.write(bytes);
  }

  /** Resolves when the kernel has taken all that was written, or the connection has ended. */
  async drained(withinMs: number): Promise<void> {
    const drained = (): true | undefined =>
      this.#end !== undefined || this.#socket.writableLength === 0 ? true : undefined;
    const wake = (): void => this.#wake();
    this.#socket.on('drain', wake);
    try {
      await this.until('room for what was written', withinMs, drained, { evenAfterEnd: true });
    } finally {
      this.#socket.off('drain', wake);
    }
  }

  /** Writes `size` bytes at a time, each after the kernel has sent the one before. */
  async trickle(bytes: Uint8Array, size = 1): Promise<void> {
    for (let at = 0; at < bytes.length && this.#end === undefined; at += size) {
      await new Promise<void>((sent) => {
        this.#socket.write(bytes.subarray(at, at + size), () => sent());
      });
    }
  }

  /** Sends FIN; what the peer still sends is read. */
  finish(): void {
    this.#socket.end();
  }

  /** Sends RST. */
  reset(): void {
    this.#ended('local', '');
    resetSocket(this.#socket);
  }

  /** Idempotent. */
  close(): void {
    this.#ended('local', '');
    this.#socket.destroy();
  }

  /**
   * Resolves with the first value that `probe` gives; it is asked now and after everything that happens.
   * @throws WireError(Timeout) when `withinMs` is over, WireError(Closed) when the peer closed first.
   */
  until<T>(
    what: string,
    withinMs: number,
    probe: () => T | undefined,
    options: { evenAfterEnd?: boolean } = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        this.#wakers.delete(ask);
        finish();
      };
      const ask = (): void => {
        let value: T | undefined;
        try {
          value = probe();
        } catch (error) {
          settle(() => reject(error));
          return;
        }
        if (value !== undefined) {
          settle(() => resolve(value));
        } else if (this.#end !== undefined && options.evenAfterEnd !== true) {
          const end = this.#end;
          const how = end.code === '' ? end.how : `${end.how} (${end.code})`;
          settle(() => reject(new WireError(WireErrorCode.Closed, what, `the connection ended by ${how}`)));
        }
      };
      const timer = setTimeout(() => {
        const actual = `nothing of it in ${withinMs} ms (${this.#bytesIn} bytes came in all)`;
        settle(() => reject(new WireError(WireErrorCode.Timeout, what, actual)));
      }, withinMs);
      this.#wakers.add(ask);
      ask();
    });
  }

  /** Resolves when the peer (or this side) has ended the connection, with undefined when it has not by then. */
  async ended(withinMs: number): Promise<WireEnd | undefined> {
    try {
      return await this.until('the end of the connection', withinMs, () => this.#end, { evenAfterEnd: true });
    } catch (error) {
      if (error instanceof WireError && error.code === WireErrorCode.Timeout) return undefined;
      throw error;
    }
  }

  #ended(how: WireEnd['how'], code: string): void {
    if (this.#end !== undefined) return;
    this.#end = { how, at: wallClock(), code };
    this.#wake();
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }
}
