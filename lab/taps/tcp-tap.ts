/** A TCP proxy of ours on one link: it counts what passes and, when asked to, spoils it. */
import net from 'node:net';
import type { Direction, Tap, TapEvent, TcpLinkProtocol, Toxic } from '../cluster.ts';
import { type PassedRequest, RequestHeads } from './request-heads.ts';
import { resetSocket } from './reset.ts';
import { createStage, type Random, type Stage, type StageOutput } from './toxics.ts';

const NOTHING = Buffer.alloc(0);

export interface TapOptions {
  /** Names of the two ends: the tap is called `from>to`. */
  readonly from: string;
  readonly to: string;
  /** Requests are told as they pass, unless it is `rtmp`. Default `rtmp`. */
  readonly carries?: TcpLinkProtocol;
  /** Where it listens. Port 0 is any. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly target: { readonly host: string; readonly port: number };
  /** Source address of its connections to the target: the address by which the target knows `from`. */
  readonly localAddress?: string;
  /** For jitter and slices. Math.random by default. */
  readonly random?: Random;
}

/**
 * A half-close, a reset and a refusal on one side reach the other at once; only queued bytes come before a half-close.
 * Reading stops while the other side cannot be written to.
 */
export class TcpTap implements Tap {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly carries: TcpLinkProtocol;
  readonly #options: TapOptions;
  readonly #server: net.Server;
  readonly #links = new Set<Link>();
  readonly #listeners = new Set<(event: TapEvent) => void>();
  readonly #toxics: { direction: Direction; toxic: Toxic }[] = [];
  readonly #counts: Record<Direction, number> = { upstream: 0, downstream: 0 };
  #accepted = 0;
  #opened = 0;
  #open = 0;
  #isCut = false;

  constructor(options: TapOptions) {
    this.name = `${options.from}>${options.to}`;
    this.from = options.from;
    this.to = options.to;
    this.carries = options.carries ?? 'rtmp';
    this.#options = options;
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Resolves when it listens. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...this.#options.listen, backlog: 511, exclusive: true }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  /** Where it listens. */
  get address(): { host: string; port: number } {
    const { address, port } = this.#server.address() as net.AddressInfo;
    return { host: address, port };
  }

  /** Resets what is open, stops listening; resolves when nothing is left. */
  close(): Promise<void> {
    for (const link of [...this.#links]) link.reset();
    return new Promise((resolve) => {
      if (!this.#server.listening) resolve();
      else this.#server.close(() => resolve());
    });
  }

  get open(): number {
    return this.#open;
  }

  get total(): number {
    return this.#opened;
  }

  get bytesUp(): number {
    return this.#counts.upstream;
  }

  get bytesDown(): number {
    return this.#counts.downstream;
  }

  subscribe(listener: (event: TapEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addToxic(direction: Direction, toxic: Toxic): () => void {
    const entry = { direction, toxic };
    this.#toxics.push(entry);
    for (const link of [...this.#links]) link.addToxic(direction, toxic);
    return () => {
      const at = this.#toxics.indexOf(entry);
      if (at < 0) return;
      this.#toxics.splice(at, 1);
      for (const link of [...this.#links]) link.removeToxic(direction, toxic);
    };
  }

  cut(): void {
    this.#isCut = true;
    for (const link of [...this.#links]) link.reset();
  }

  restore(): void {
    this.#isCut = false;
  }

  #accept(client: net.Socket): void {
    this.#accepted += 1;
    const connection = this.#accepted;
    client.on('error', () => {});
    if (this.#isCut) {
      client.resetAndDestroy();
      this.#emit('refused', connection);
      return;
    }
    const { target, localAddress } = this.#options;
    const server = net.connect({
      ...target,
      allowHalfOpen: true,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const link = new Link(client, server, this.#counts, this.#options.random ?? Math.random, {
      opened: () => {
        this.#opened += 1;
        this.#open += 1;
        this.#emit('open', connection);
      },
      closed: (wasOpen) => {
        this.#links.delete(link);
        if (wasOpen) this.#open -= 1;
        this.#emit(wasOpen ? 'close' : 'refused', connection);
      },
      ...(this.carries === 'rtmp'
        ? {}
        : { requested: (request: PassedRequest) => this.#emit('request', connection, request) }),
    });
    this.#links.add(link);
    for (const { direction, toxic } of this.#toxics) link.addToxic(direction, toxic);
  }

  #emit(type: TapEvent['type'], connection: number, request?: PassedRequest): void {
    const event: TapEvent = {
      tap: this.name,
      carries: this.carries,
      type,
      connection,
      at: Date.now(),
      open: this.#open,
      ...(request === undefined ? {} : { request }),
    };
    for (const listener of [...this.#listeners]) listener(event);
  }
}

interface LinkObserver {
  opened(): void;
  /** Once. `wasOpen` is false when the target could not be reached. */
  closed(wasOpen: boolean): void;
  /** When given, the bytes to the target are read as HTTP. */
  requested?(request: PassedRequest): void;
}

/** One connection through a tap: two sockets and a lane for each direction. */
class Link {
  readonly #client: net.Socket;
  readonly #server: net.Socket;
  readonly #observer: LinkObserver;
  readonly #lanes: Record<Direction, Lane>;
  #isOpen = false;
  #isClosed = false;

  constructor(
    client: net.Socket,
    server: net.Socket,
    counts: Record<Direction, number>,
    random: Random,
    observer: LinkObserver,
  ) {
    this.#client = client;
    this.#server = server;
    this.#observer = observer;
    const heads = observer.requested && new RequestHeads((request) => observer.requested?.(request));
    this.#lanes = {
      upstream: new Lane('upstream', client, server, counts, random, this, heads),
      downstream: new Lane('downstream', server, client, counts, random, this),
    };
    for (const socket of [client, server]) {
      socket.on('error', () => this.reset());
      socket.on('close', () => this.#settle());
    }
    server.once('connect', () => {
      this.#isOpen = true;
      observer.opened();
      this.#lanes.upstream.start();
      this.#lanes.downstream.start();
    });
  }

  addToxic(direction: Direction, toxic: Toxic): void {
    this.#lanes[direction].addToxic(toxic);
  }

  removeToxic(direction: Direction, toxic: Toxic): void {
    this.#lanes[direction].removeToxic(toxic);
  }

  /** RST on both sides. */
  reset(): void {
    this.#drop();
    resetSocket(this.#client);
    resetSocket(this.#server);
  }

  /** FIN on both sides after what was passed on so far. */
  close(): void {
    this.#drop();
    this.#client.destroySoon();
    this.#server.destroySoon();
  }

  #drop(): void {
    this.#lanes.upstream.drop();
    this.#lanes.downstream.drop();
  }

  #settle(): void {
    if (this.#isClosed || !this.#client.destroyed || !this.#server.destroyed) return;
    this.#isClosed = true;
    this.#drop();
    this.#observer.closed(this.#isOpen);
  }
}

/** One direction of one connection. Without toxics a chunk goes from socket to socket as it is. */
class Lane {
  readonly #direction: Direction;
  readonly #source: net.Socket;
  readonly #sink: net.Socket;
  readonly #counts: Record<Direction, number>;
  readonly #random: Random;
  readonly #link: Link;
  readonly #heads: RequestHeads | undefined;
  readonly #stages: Stage[] = [];
  #isStarted = false;
  #sinkIsFull = false;
  #isEnding = false;
  #isLast = false;
  #isDropped = false;

  constructor(
    direction: Direction,
    source: net.Socket,
    sink: net.Socket,
    counts: Record<Direction, number>,
    random: Random,
    link: Link,
    heads?: RequestHeads,
  ) {
    this.#direction = direction;
    this.#source = source;
    this.#sink = sink;
    this.#counts = counts;
    this.#random = random;
    this.#link = link;
    this.#heads = heads;
  }

  start(): void {
    this.#source.on('data', (bytes: Buffer) => {
      (this.#stages[0] ?? this).write(bytes);
      this.#regulate();
    });
    this.#source.on('end', () => {
      this.#isEnding = true;
      this.#unlessReset(() => (this.#stages[0] ?? this).end());
    });
    this.#sink.on('drain', () => {
      this.#sinkIsFull = false;
      this.#regulate();
    });
    this.#isStarted = true;
    this.#regulate();
  }

  addToxic(toxic: Toxic): void {
    const stage: Stage = createStage(
      toxic,
      this.#outputOf(() => stage),
      this.#random,
    );
    this.#stages.push(stage);
  }

  removeToxic(toxic: Toxic): void {
    const at = this.#stages.findIndex((stage) => stage.toxic === toxic);
    const stage = this.#stages[at];
    if (stage === undefined) return;
    stage.lift();
    this.#stages.splice(this.#stages.indexOf(stage), 1);
    this.#regulate();
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    for (const stage of this.#stages) stage.drop();
  }

  write(bytes: Buffer): void {
    if (this.#isDropped || this.#sink.writableEnded) return;
    this.#counts[this.#direction] += bytes.length;
    this.#heads?.push(bytes);
    if (!this.#sink.write(bytes)) this.#sinkIsFull = true;
  }

  end(): void {
    if (this.#isDropped) return;
    if (this.#isLast) this.#link.close();
    else this.#sink.end();
  }

  close(): void {
    this.#link.close();
  }

  reset(): void {
    this.#link.reset();
  }

  room(): void {
    this.#regulate();
  }

  /**
   * libuv tells a reset that comes together with bytes as an end (uv__stream_io, POLLHUP after a partial read). Writing
   * nothing tells them apart: it fails on a socket that was reset, which then errors.
   */
  #unlessReset(then: () => void): void {
    // Bytes that wait to be written find out by themselves.
    if (this.#source.writableLength > 0 || this.#source.writableEnded) then();
    else {
      this.#source.write(NOTHING, (error) => {
        if (!error) then();
      });
    }
  }

  /** What a stage writes goes to the stage after it, or to the socket. */
  #outputOf(self: () => Stage): StageOutput {
    const next = (): Stage | Lane => this.#stages[this.#stages.indexOf(self()) + 1] ?? this;
    return {
      write: (bytes) => {
        if (!this.#isDropped) next().write(bytes);
        this.#regulate();
      },
      end: () => {
        if (!this.#isDropped) next().end();
      },
      finish: () => {
        this.#isLast = true;
        if (!this.#isDropped) next().end();
      },
      close: () => this.close(),
      reset: () => this.reset(),
      room: () => this.room(),
    };
  }

  #regulate(): void {
    if (!this.#isStarted || this.#isDropped || this.#isEnding) return;
    if (this.#sinkIsFull || this.#stages.some((stage) => stage.full)) this.#source.pause();
    else this.#source.resume();
  }
}
