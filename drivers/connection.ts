/** What clients with one TCP connection do alike: open, read, time out, follow, and close once. */
import type { Socket } from 'node:net';
import { ProtocolError } from '../protocols/errors.ts';
import { type ClientObserver, type ClientOptions, ClientState, CloseReason } from './client.ts';
import { type Deadlined, forgetDeadline, watchDeadline } from './deadlines.ts';
import { LifecycleClient, MAX_REDIRECTS, TIMEOUT_MS } from './lifecycle.ts';
import { mayLead } from './loopback.ts';
import { wallClock } from './measure/clock.ts';
import { arrivalTime, type Target, Wire, type WireOwner } from './socket.ts';

export type { Target } from './socket.ts';

export abstract class ConnectedClient extends LifecycleClient implements Deadlined, WireOwner {
  override bytesIn = 0;
  /** For the sweep. */
  deadline = 0;
  private wire: Wire | undefined = undefined;
  /** Where the present connection goes: `url`, or what a redirect named. */
  protected location: string;
  private redirects = 0;
  /** Where the first connection went. */
  private firstHost = '';

  constructor(url: string, options?: ClientOptions, observer?: ClientObserver) {
    super(url, options, observer);
    this.location = url;
  }

  protected get socket(): Socket | undefined {
    return this.wire?.socket;
  }

  /** Arrival time of the bytes that are being parsed, in epoch ms. */
  protected get now(): number {
    return arrivalTime();
  }

  /** Throws ProtocolError(Url) when `location` is not for this client. Resets what belongs to one connection. */
  protected abstract prepare(location: string): Target;
  /** TCP (and TLS) is up. */
  protected abstract connected(): void;
  /** Bytes came. Throws ProtocolError. */
  protected abstract received(bytes: Uint8Array, end: number): void;
  /** The peer sent FIN. Closes the client, as a rule. */
  protected ended(): void {
    this.fail(CloseReason.remote, `eof.${this.state}`, `the peer closed the connection while ${this.state}`);
  }

  /** Last words on an open socket when the user closes. */
  protected goodbye(): void {}

  override close(): void {
    if (this.state === ClientState.closed) return;
    if (this.socket?.connecting === false) this.goodbye();
    super.close();
  }

  onDeadline(): void {
    this.fail(
      CloseReason.timeout,
      `timeout.${this.state}`,
      `${this.state} took longer than ${this.options.timeoutMs ?? TIMEOUT_MS} ms`,
    );
  }

  /** Enters a state; every state up to `streaming` has its own timeout. */
  protected override enter(state: ClientState): void {
    if (this.state === ClientState.closed) return;
    if (state === ClientState.streaming) forgetDeadline(this);
    else watchDeadline(this, this.options.timeoutMs ?? TIMEOUT_MS);
    super.enter(state);
  }

  protected write(bytes: Uint8Array): boolean {
    this.options.tape?.wrote(bytes);
    return this.wire?.socket.write(bytes) ?? false;
  }

  /** Goes to `location` instead, or closes when that was too often. */
  protected follow(location: string): void {
    const limit = this.options.maxRedirects ?? MAX_REDIRECTS;
    if (++this.redirects > limit) {
      this.fail(
        CloseReason.redirect,
        'redirect.limit',
        `redirect ${this.redirects} to ${location}, ${limit} allowed`,
      );
      return;
    }
    this.observer?.onRedirect?.(this, location, wallClock.now());
    if (this.state === ClientState.closed) return;
    this.letGo(false);
    this.location = location;
    this.start();
  }

  protected override release(orderly: boolean): void {
    forgetDeadline(this);
    this.letGo(orderly);
  }

  private letGo(orderly: boolean): void {
    const wire = this.wire;
    this.wire = undefined;
    wire?.release(orderly);
  }

  protected override start(): void {
    let target: Target;
    try {
      target = this.prepare(this.location);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const reason = this.redirects > 0 ? CloseReason.redirect : CloseReason.protocol;
      this.fail(reason, this.redirects > 0 ? 'redirect.location' : error.code, error.message);
      return;
    }
    if (this.redirects === 0) this.firstHost = target.host;
    else if (!mayLead(this.firstHost, target.host, this.options.allowHosts)) {
      this.fail(
        CloseReason.redirect,
        'redirect.remote',
        `the redirect leads to ${target.host}, which is not allowed`,
      );
      return;
    }
    this.enter(ClientState.connecting);
    if (this.state !== ClientState.connecting) return;
    try {
      this.wire = new Wire(target, this.options.localAddress, this);
    } catch (error) {
      this.fail(CloseReason.refused, 'tcp.invalid', error instanceof Error ? error.message : String(error));
    }
  }

  wireOpened(): void {
    this.timing.tcp = this.now;
    this.options.tape?.opened();
    this.connected();
  }

  wireRead(bytes: Uint8Array, length: number): void {
    this.bytesIn += length;
    this.options.tape?.read(bytes, length);
    try {
      this.received(bytes, length);
    } catch (error) {
      this.malformed(error);
    }
  }

  wireEnded(): void {
    try {
      this.ended();
    } catch (error) {
      this.malformed(error);
    }
  }

  wireFailed(error: NodeJS.ErrnoException): void {
    const code = `tcp.${(error.code ?? 'failed').toLowerCase()}`;
    if (this.state !== ClientState.connecting)
      this.fail(CloseReason.reset, `${code}.${this.state}`, error.message);
    else if (error.code === 'ETIMEDOUT') this.fail(CloseReason.timeout, code, error.message);
    else this.fail(CloseReason.refused, code, error.message);
  }

  wireClosed(): void {
    this.fail(CloseReason.reset, 'tcp.closed', 'the socket closed without a word');
  }

  private malformed(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.fail(CloseReason.protocol, error.code, error.message);
  }
}
