/** What every client over TCP does alike: open, read into one shared buffer, time out, follow, and close once. */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { ProtocolError } from '../protocols/errors.ts';
import {
  type Client,
  type ClientObserver,
  type ClientOptions,
  ClientState,
  type Closed,
  CloseReason,
  PhaseTiming,
} from './client.ts';
import { type Deadlined, forgetDeadline, watchDeadline } from './deadlines.ts';
import { isLoopback } from './loopback.ts';
import { wallClock } from './measure/clock.ts';

/**
 * Every socket of this process is read into this one buffer, and what came is parsed before the next read: a client
 * costs no read buffer of its own and no allocation per read. 64 KiB is what libuv itself would ask for.
 */
const READ_BUFFER = new Uint8Array(64 * 1024);

/**
 * When those bytes came. One variable for the process, as one socket is read at a time: a field would be a number
 * object per client, cold in the cache whenever its turn comes.
 */
let arrival = 0;

/** SRS's FLV edge follows three (facts/srs.md 1.5). */
const MAX_REDIRECTS = 3;
/** SRS waits 30 s for a peer; a viewer does not. */
const TIMEOUT_MS = 10_000;
/** A peer that does not read (a frozen process) does not keep our socket for longer than this. */
const FAREWELL_MS = 2000;

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

let lastId = 0;

export abstract class ConnectedClient implements Client, Deadlined {
  readonly id: number;
  readonly url: string;
  readonly timing = new PhaseTiming();
  state: ClientState = ClientState.idle;
  closed: Closed | undefined = undefined;
  bytesIn = 0;
  /** For the sweep. */
  deadline = 0;
  protected readonly options: ClientOptions;
  protected socket: Socket | undefined = undefined;
  /** Where the present connection goes: `url`, or what a redirect named. */
  protected location: string;
  private redirects = 0;
  /** The first connection was to this machine. */
  private local = false;
  private readonly observer: ClientObserver | undefined;

  constructor(url: string, options: ClientOptions = {}, observer?: ClientObserver) {
    this.id = options.id ?? ++lastId;
    this.url = url;
    this.location = url;
    this.options = options;
    this.observer = observer;
  }

  /** Arrival time of the bytes that are being parsed, in epoch ms. */
  protected get now(): number {
    return arrival;
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

  open(): void {
    if (this.state !== ClientState.idle) return;
    this.timing.started = wallClock.now();
    this.dial();
  }

  close(): void {
    if (this.state === ClientState.closed) return;
    if (this.socket !== undefined && !this.socket.connecting) this.goodbye();
    this.fail(CloseReason.local, 'local', 'close() was called');
  }

  onDeadline(): void {
    this.fail(
      CloseReason.timeout,
      `timeout.${this.state}`,
      `${this.state} took longer than ${this.options.timeoutMs ?? TIMEOUT_MS} ms`,
    );
  }

  /** Enters a state; every state up to `streaming` has its own timeout. */
  protected enter(state: ClientState): void {
    if (this.state === ClientState.closed) return;
    this.state = state;
    if (state === ClientState.streaming) forgetDeadline(this);
    else watchDeadline(this, this.options.timeoutMs ?? TIMEOUT_MS);
    this.observer?.onState?.(this, state, wallClock.now());
  }

  protected write(bytes: Uint8Array): boolean {
    return this.socket?.write(bytes) ?? false;
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
    this.release();
    this.location = location;
    this.dial();
  }

  /** Closes for good; the first reason wins. */
  protected fail(reason: CloseReason, code: string, detail: string): void {
    if (this.state === ClientState.closed) return;
    this.closed = { reason, during: this.state, code, detail };
    this.state = ClientState.closed;
    forgetDeadline(this);
    this.release(reason === CloseReason.local);
    const at = wallClock.now();
    this.timing.closed = at;
    this.observer?.onState?.(this, ClientState.closed, at);
    this.observer?.onClosed?.(this, this.closed, at);
  }

  /** Lets the socket go. In an orderly way what was written is still sent, if the peer takes it in time. */
  private release(orderly = false): void {
    const socket = this.socket;
    if (socket === undefined) return;
    this.socket = undefined;
    if (!orderly || socket.connecting) {
      socket.destroy();
      return;
    }
    if (socket.writableLength > 0) {
      const farewell = { deadline: 0, onDeadline: () => void socket.destroy() };
      watchDeadline(farewell, FAREWELL_MS);
      socket.once('close', () => forgetDeadline(farewell));
    }
    socket.destroySoon();
  }

  private dial(): void {
    let target: Target;
    try {
      target = this.prepare(this.location);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const reason = this.redirects > 0 ? CloseReason.redirect : CloseReason.protocol;
      this.fail(reason, this.redirects > 0 ? 'redirect.location' : error.code, error.message);
      return;
    }
    if (this.redirects === 0) this.local = isLoopback(target.host);
    else if (this.local && !isLoopback(target.host) && this.options.allowRemote !== true) {
      this.fail(
        CloseReason.redirect,
        'redirect.remote',
        `${target.host} is not on loopback, where the redirect to it came from`,
      );
      return;
    }
    this.enter(ClientState.connecting);
    if (this.state !== ClientState.connecting) return;
    const to = {
      host: target.host,
      port: target.port,
      localAddress: this.options.localAddress,
      noDelay: true,
      lookup: cachedLookup,
      onread: {
        buffer: READ_BUFFER,
        callback: (length: number): boolean => {
          // A socket that was let go (redirect, close) may have one more read under way.
          if (this.socket === socket) this.read(length);
          return true;
        },
      },
    };
    let socket: Socket;
    try {
      socket = target.tls
        ? tlsConnect({ ...to, ...(isIP(target.host) === 0 && { servername: target.host }) })
        : tcpConnect(to);
    } catch (error) {
      // A port above 65535, or a local address that is none: Node throws these at once.
      this.fail(CloseReason.refused, 'tcp.invalid', error instanceof Error ? error.message : String(error));
      return;
    }
    this.socket = socket;
    socket.once(target.tls ? 'secureConnect' : 'connect', () => {
      if (this.socket !== socket) return;
      arrival = wallClock.now();
      this.timing.tcp = this.now;
      this.connected();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.socket === socket) this.broken(error);
    });
    socket.once('end', () => {
      if (this.socket !== socket) return;
      arrival = wallClock.now();
      this.guarded(() => this.ended());
    });
    socket.once('close', () => {
      if (this.socket === socket)
        this.fail(CloseReason.reset, 'tcp.closed', 'the socket closed without a word');
    });
  }

  private read(length: number): void {
    this.bytesIn += length;
    arrival = wallClock.now();
    try {
      this.received(READ_BUFFER, length);
    } catch (error) {
      this.malformed(error);
    }
  }

  private guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.malformed(error);
    }
  }

  private malformed(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.fail(CloseReason.protocol, error.code, error.message);
  }

  private broken(error: NodeJS.ErrnoException): void {
    const code = `tcp.${(error.code ?? 'failed').toLowerCase()}`;
    if (this.state !== ClientState.connecting)
      this.fail(CloseReason.reset, `${code}.${this.state}`, error.message);
    else if (error.code === 'ETIMEDOUT') this.fail(CloseReason.timeout, code, error.message);
    else this.fail(CloseReason.refused, code, error.message);
  }
}

/** Names are looked up once in this time, so that thousands of clients do not queue for the resolver's threads. */
const LOOKUP_TTL_MS = 30_000;

interface Lookup {
  readonly until: number;
  readonly addresses: Promise<LookupAddress[]>;
}

const lookups = new Map<string, Lookup>();

const cachedLookup: LookupFunction = (hostname, options, callback) => {
  const now = performance.now();
  let entry = lookups.get(hostname);
  if (entry === undefined || entry.until < now) {
    entry = { until: now + LOOKUP_TTL_MS, addresses: lookup(hostname, { all: true, verbatim: true }) };
    lookups.set(hostname, entry);
    entry.addresses.catch(() => lookups.delete(hostname));
  }
  entry.addresses.then(
    (addresses) => {
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    },
    (error: NodeJS.ErrnoException) => callback(error, '', 0),
  );
};
