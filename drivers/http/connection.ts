/**
 * One keep-alive HTTP/1.1 connection of a client that makes many requests, one after the other (RFC 9112 section 9.3).
 * Thousands of them share the process's read buffer; the body is handed on in place.
 */
import { ProtocolError } from '../../protocols/errors.ts';
import {
  type ResponseHead,
  ResponseReader,
  type ResponseSink,
} from '../../protocols/http1/response-reader.ts';
import { type ByteStrip, type ByteTape, CloseReason } from '../client.ts';
import { type Deadlined, forgetDeadline, watchDeadline } from '../deadlines.ts';
import { wallClock } from '../measure/clock.ts';
import { arrivalTime, type Target, Wire, type WireOwner } from '../socket.ts';

/** Why a request has no whole answer. `code` is a stable slug. */
export interface HttpFailure {
  readonly reason: CloseReason;
  readonly code: string;
  readonly detail: string;
}

/**
 * What becomes of one request: `onSent`, `onHead`, `onBody` any number of times, and then either `onEnd` or `onFailure`,
 * once. All times are epoch ms. What it throws as a ProtocolError fails the request.
 */
export interface HttpHandler {
  /** A connection had to be opened for this request. */
  onConnected(at: number): void;
  onSent(at: number): void;
  /** The server had closed the connection that was kept: the request goes out once more, on a new one. */
  onResend(): void;
  onHead(head: ResponseHead, at: number): void;
  /** `bytes` is the shared buffer, valid during the call. */
  onBody(bytes: Uint8Array, start: number, end: number, at: number): void;
  /** The connection is free for the next request. */
  onEnd(at: number): void;
  /** The connection is closed; it dials again at the next request. */
  onFailure(failure: HttpFailure, at: number): void;
}

export interface HttpTimeouts {
  /** To open the connection, and then from the request to the whole head. */
  readonly headMs: number;
  /** From the head to the end of the body. */
  readonly bodyMs: number;
}

/** A peer or an address; requests to one of them may share a connection. */
export interface HttpTarget extends Target {
  /** Scheme and authority. */
  readonly origin: string;
}

export class HttpConnection implements Deadlined, WireOwner, ResponseSink {
  /** For the sweep. */
  deadline = 0;
  /** Read from all sockets that this was. */
  bytesIn = 0;
  private readonly localAddress: string | undefined;
  private readonly tape: ByteTape | undefined;
  /** Of the present request. */
  private strip: ByteStrip | undefined = undefined;
  private wire: Wire | undefined = undefined;
  private target: HttpTarget | undefined = undefined;
  private opened = false;
  /** The connection has carried a whole answer before. */
  private kept = false;
  /** A byte of the present answer came. */
  private answered = false;
  private headSeen = false;
  private keepAlive = true;
  private paused = false;
  private request: Uint8Array | undefined = undefined;
  private handler: HttpHandler | undefined = undefined;
  private timeouts: HttpTimeouts = { headMs: 0, bodyMs: 0 };
  private reader = new ResponseReader(this);

  constructor(localAddress?: string, tape?: ByteTape) {
    this.localAddress = localAddress;
    this.tape = tape;
  }

  /** A request is under way. */
  get busy(): boolean {
    return this.handler !== undefined;
  }

  /** There is an open connection to this origin. */
  reaches(origin: string): boolean {
    return this.opened && this.target?.origin === origin;
  }

  get unused(): boolean {
    return this.wire === undefined;
  }

  /** Only while not busy. `request` is kept until the answer begins. */
  send(target: HttpTarget, request: Uint8Array, handler: HttpHandler, timeouts: HttpTimeouts): void {
    this.handler = handler;
    this.request = request;
    this.timeouts = timeouts;
    this.answered = false;
    this.headSeen = false;
    this.reader = new ResponseReader(this);
    if (!this.reaches(target.origin)) {
      this.target = target;
      this.dial();
    } else this.write(wallClock.now());
  }

  /** Gives up what is under way without a word to its handler, and closes. The next request may follow at once. */
  abort(orderly = false): void {
    forgetDeadline(this);
    this.handler = undefined;
    this.request = undefined;
    this.reader.stop();
    this.letGo(orderly);
  }

  /** Stops reading; no timeout runs meanwhile. */
  pause(): void {
    this.paused = true;
    forgetDeadline(this);
    if (this.opened) this.wire?.socket.pause();
  }

  resume(): void {
    this.paused = false;
    if (this.handler !== undefined)
      watchDeadline(this, this.headSeen ? this.timeouts.bodyMs : this.timeouts.headMs);
    if (this.opened) this.wire?.socket.resume();
  }

  private letGo(orderly = false): void {
    const wire = this.wire;
    this.wire = undefined;
    this.opened = false;
    this.kept = false;
    wire?.release(orderly);
  }

  private dial(): void {
    this.letGo();
    this.watch(this.timeouts.headMs);
    try {
      this.wire = new Wire(this.target!, this.localAddress, this);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      // As late as every other failure: nobody expects an answer before the question is asked.
      queueMicrotask(() => {
        if (this.handler !== undefined)
          this.failed({ reason: CloseReason.refused, code: 'tcp.invalid', detail });
      });
    }
  }

  private watch(ms: number): void {
    if (!this.paused) watchDeadline(this, ms);
  }

  private write(at: number): void {
    this.watch(this.timeouts.headMs);
    this.strip = this.tape?.exchange();
    this.strip?.wrote(this.request!);
    this.wire!.socket.write(this.request!);
    this.handler!.onSent(at);
  }

  private failed(failure: HttpFailure): void {
    const handler = this.handler!;
    this.abort();
    handler.onFailure(failure, wallClock.now());
  }

  /** RFC 9112 section 9.3.1: a GET may be repeated when the connection went before any answer. */
  private lost(failure: HttpFailure): void {
    if (this.handler === undefined) {
      this.letGo();
    } else if (this.kept && !this.answered) {
      this.handler.onResend();
      this.dial();
    } else this.failed(failure);
  }

  onDeadline(): void {
    if (this.handler === undefined) return;
    const { headMs, bodyMs } = this.timeouts;
    const [code, detail] = !this.opened
      ? ['timeout.connect', `the connection was not up after ${headMs} ms`]
      : this.headSeen
        ? ['timeout.body', `the body was not whole after ${bodyMs} ms`]
        : ['timeout.head', `no whole head after ${headMs} ms`];
    this.failed({ reason: CloseReason.timeout, code, detail });
  }

  wireOpened(): void {
    const at = arrivalTime();
    this.opened = true;
    if (this.paused) this.wire!.socket.pause();
    this.handler?.onConnected(at);
    if (this.handler !== undefined && this.opened) this.write(at);
  }

  wireRead(bytes: Uint8Array, length: number): void {
    this.bytesIn += length;
    this.strip?.read(bytes, length);
    if (this.handler === undefined) {
      // An answer that nobody asked for: what comes after it could not be told from the next one.
      this.letGo();
      return;
    }
    this.answered = true;
    try {
      this.reader.push(bytes, 0, length);
    } catch (error) {
      this.malformed(error);
    }
  }

  wireEnded(): void {
    if (this.handler !== undefined && this.answered) {
      this.keepAlive = false;
      try {
        this.reader.eof();
      } catch (error) {
        this.malformed(error);
      }
    } else {
      this.lost({
        reason: CloseReason.remote,
        code: 'http.eof',
        detail: 'the server closed without an answer',
      });
    }
  }

  wireFailed(error: NodeJS.ErrnoException): void {
    const code = `tcp.${(error.code ?? 'failed').toLowerCase()}`;
    const reason = this.opened
      ? CloseReason.reset
      : error.code === 'ETIMEDOUT'
        ? CloseReason.timeout
        : CloseReason.refused;
    this.lost({ reason, code, detail: error.message });
  }

  wireClosed(): void {
    this.lost({
      reason: CloseReason.reset,
      code: 'tcp.closed',
      detail: 'the socket closed without a word',
    });
  }

  private malformed(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    if (this.handler !== undefined)
      this.failed({ reason: CloseReason.protocol, code: error.code, detail: error.message });
  }

  onHead(head: ResponseHead): void {
    this.headSeen = true;
    this.request = undefined;
    const connection = head.headers.get('connection');
    // RFC 9112 section 9.3: HTTP/1.0 keeps a connection only when it says so.
    this.keepAlive = head.raw.startsWith('HTTP/1.0')
      ? connection !== undefined && /\bkeep-alive\b/i.test(connection)
      : connection === undefined || !/\bclose\b/i.test(connection);
    this.watch(this.timeouts.bodyMs);
    this.handler!.onHead(head, arrivalTime());
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    // The handler may have given up at the head, or at an earlier piece.
    this.handler?.onBody(bytes, start, end, arrivalTime());
  }

  onEnd(): void {
    const handler = this.handler;
    if (handler === undefined) return;
    forgetDeadline(this);
    this.handler = undefined;
    if (this.keepAlive) this.kept = true;
    else this.letGo();
    handler.onEnd(arrivalTime());
  }
}
