/** One node of the lab: its listeners, its streams, and everybody who is connected. */
import { createServer, type Server, type Socket } from 'node:net';
import { createApi } from './api.ts';
import { type ClientRecord, randomId } from './clients.ts';
import type { BuiltinConfig } from './config.ts';
import { DEFAULT_TIMEOUTS, STREAM_LINGER_MS, type Timeouts, WRITE_PHASES } from './constants.ts';
import { Coworkers } from './coworkers.ts';
import { Edge } from './edge.ts';
import { Forwards } from './forward.ts';
import { Heartbeat } from './heartbeat.ts';
import { HlsOutputs } from './hls/outputs.ts';
import { HlsSessions } from './hls/sessions.ts';
import { Hooks } from './hooks.ts';
import { serveHttp } from './http.ts';
import type { Log } from './log.ts';
import { isMutantId, type Mutants } from './mutants.ts';
import { Origin } from './origin.ts';
import type { StreamOutput } from './output.ts';
import type { Role } from './role.ts';
import { RtcServer } from './rtc/server.ts';
import { RtmpConnection } from './rtmp-connection.ts';
import { SrtServer } from './srt/server.ts';
import { Stream } from './stream.ts';

export class MediaNode {
  readonly config: BuiltinConfig;
  readonly timeouts: Timeouts;
  readonly mutants: Mutants;
  readonly log: Log;
  readonly role: Role;
  /** Change with every start, as SRS's do: a restart can be seen. */
  readonly serverId = `vid-${randomId()}`;
  readonly vhostId = `vid-${randomId()}`;
  readonly serviceId = randomId();
  readonly startedAt = Date.now();
  readonly streams = new Map<string, Stream>();
  readonly clients = new Map<string, ClientRecord>();
  readonly hls: HlsOutputs | undefined;
  /** Undefined when players have none (hls_ctx off). */
  readonly hlsSessions: HlsSessions | undefined;
  /** Undefined when the node has no WebRTC. */
  readonly rtc: RtcServer | undefined;
  /** Undefined when there is nobody to ask: players wait for a stream that is not here. */
  readonly coworkers: Coworkers | undefined;
  /** Undefined when nobody is to be told of publishers. */
  readonly hooks: Hooks | undefined;
  readonly #forwards = new Forwards(this);
  readonly #srt: SrtServer | undefined;
  readonly #connections = new Set<{ destroy(): unknown }>();
  readonly #servers: Server[] = [];
  #heartbeat: Heartbeat | undefined;
  #overloaded = false;
  #phase = 0;
  #ticker: NodeJS.Timeout | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(config: BuiltinConfig, log: Log) {
    this.config = config;
    this.log = log;
    this.timeouts = { ...DEFAULT_TIMEOUTS, ...config.timeouts };
    const unknown = config.mutants.filter((id) => !isMutantId(id));
    if (unknown.length > 0) throw new Error(`no such mutant: ${unknown.join(', ')}`);
    this.mutants = new Set(config.mutants.filter(isMutantId));
    if (config.hls) {
      const { sessions, windowSeconds } = config.settings.hls;
      this.hls = new HlsOutputs(config, config.hls.directory, this.mutants, log);
      if (sessions) this.hlsSessions = new HlsSessions(windowSeconds, this);
    }
    if (config.coworkers?.length) this.coworkers = new Coworkers(this, config.coworkers);
    if (config.hooks) this.hooks = new Hooks(this, config.hooks);
    this.role = config.role === 'edge' ? new Edge(this) : new Origin(this);
    if (config.rtcPort !== undefined) this.rtc = new RtcServer(this, config.rtcPort);
    if (config.srtPort !== undefined) this.#srt = new SrtServer(this, config.srtPort);
  }

  /** Resolves when every listener is bound. */
  async start(): Promise<void> {
    const { host, rtmpPort, httpPort, apiPort } = this.config;
    const media = { noDelay: true, highWaterMark: MEDIA_HIGH_WATER };
    const rtmp = createServer(media, (socket) => {
      if (this.#admitSocket(socket)) new RtmpConnection(this, socket);
    });
    const http = createServer(media, (socket) => {
      if (this.#admitSocket(socket)) serveHttp(this, socket);
    });
    const api = createApi(this);
    api.on('connection', (socket: Socket) => this.#admitSocket(socket));
    this.#servers.push(rtmp, http, api);
    await Promise.all([
      listen(rtmp, rtmpPort, host),
      listen(http, httpPort, host),
      listen(api, apiPort, host),
      this.#srt?.start(),
      this.rtc?.start(),
    ]);
    this.#ticker = setInterval(() => this.#tick(), this.config.settings.mergedWriteMs / WRITE_PHASES);
    this.#sweeper = setInterval(() => this.#forgetStreams(), STREAM_LINGER_MS);
    if (this.config.register) this.#heartbeat = new Heartbeat(this, this.config.register);
  }

  /** Found or made. */
  stream(url: string): Stream {
    let stream = this.streams.get(url);
    if (!stream) {
      stream = new Stream(url, { ...this.config.settings, mutants: this.mutants });
      this.streams.set(url, stream);
      this.role.onStream(stream);
    }
    return stream;
  }

  /**
   * Where a stream that has just got its source goes beside its players.
   * @param streamName with its query
   */
  outputsOf(stream: Stream, streamName: string): StreamOutput[] {
    const forwards = this.config.role === 'master' ? this.#forwards.open(stream, streamName) : [];
    const others = [this.hls?.open(stream), this.rtc?.output(stream)];
    return [...forwards, ...others.filter((output) => output !== undefined)];
  }

  enter(client: ClientRecord): void {
    this.clients.set(client.id, client);
    this.log(`${client.type} ${client.url} client ${client.id} from ${client.ip}`);
  }

  leave(client: ClientRecord): void {
    if (this.clients.delete(client.id)) this.log(`${client.type} ${client.url} client ${client.id} left`);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  destroyConnections(): void {
    for (const connection of [...this.#connections]) connection.destroy();
  }

  close(): void {
    clearInterval(this.#ticker);
    clearInterval(this.#sweeper);
    this.#heartbeat?.close();
    for (const server of this.#servers) server.close();
    this.destroyConnections();
    this.#srt?.close();
    this.rtc?.close();
    for (const stream of this.streams.values()) {
      stream.closeOutputs();
      this.role.onStreamGone(stream);
    }
    this.#forwards.close();
    this.coworkers?.close();
    this.hls?.close();
    this.hlsSessions?.close();
  }

  /**
   * Every open connection counts to max_connections, the API's too (facts/srs.md 3.1). False when there are enough;
   * else it counts until `release`.
   * @param from address, for the log
   */
  admit(connection: { destroy(): unknown }, from: string): boolean {
    const { maxConnections } = this.config.settings;
    if (this.#connections.size >= maxConnections) {
      this.log(`refused ${from}: max_connections ${maxConnections}`);
      return false;
    }
    this.#connections.add(connection);
    return true;
  }

  release(connection: { destroy(): unknown }): void {
    this.#connections.delete(connection);
  }

  #admitSocket(socket: Socket): boolean {
    socket.on('error', ignore);
    if (!this.admit(socket, socket.remoteAddress ?? '')) {
      socket.destroy();
      return false;
    }
    socket.on('close', () => this.release(socket));
    if (this.mutants.has('media-deaf-after-overload')) this.#growDeaf(socket);
    return true;
  }

  /** Mutant. */
  #growDeaf(socket: Socket): void {
    this.#overloaded ||= this.#connections.size >= OVERLOAD;
    socket.on('close', () => {
      if (!this.#overloaded || this.#connections.size > OVERLOAD / 2) return;
      const [rtmp, http] = this.#servers;
      rtmp?.close();
      http?.close();
    });
  }

  #tick(): void {
    const phase = this.#phase;
    this.#phase = (phase + 1) % WRITE_PHASES;
    for (const stream of this.streams.values()) stream.tick(phase);
  }

  #forgetStreams(): void {
    const now = performance.now();
    for (const [url, stream] of this.streams) {
      if (this.#isUsed(stream)) stream.idleSince = now;
      else if (now - stream.idleSince >= STREAM_LINGER_MS) {
        this.streams.delete(url);
        this.role.onStreamGone(stream);
      }
    }
  }

  #isUsed({ url, publisher, playerCount, demand }: Stream): boolean {
    return Boolean(publisher || playerCount > 0 || demand?.active || this.hooks?.isAsked(url));
  }
}

/** Clients at a time that `media-deaf-after-overload` does not get over. */
const OVERLOAD = 200;

/** Above any merged write, so that a player who keeps up is never asked to drain. */
const MEDIA_HIGH_WATER = 1024 * 1024;

function ignore(): void {}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
