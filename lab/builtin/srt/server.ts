/** The SRT port of a node: callers become publishers or players by their stream id (facts/srs.md 8). */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { SrtConnection } from '../../../protocols/srt/connection.ts';
import {
  type SrtDecision,
  SrtListener,
  type SrtPeer,
  type SrtRequest,
} from '../../../protocols/srt/listener.ts';
import type { SrtOptions } from '../../../protocols/srt/options.ts';
import { isControl } from '../../../protocols/srt/packet.ts';
import { RejectReason } from '../../../protocols/srt/rejection.ts';
import { type ClientRecord, randomId } from '../clients.ts';
import type { MediaNode } from '../node.ts';
import type { PublishRequest } from '../role.ts';
import { type StreamName, streamName } from '../stream-name.ts';
import { HeldPayloads, SrtCaller } from './caller.ts';
import { listenerCrypto } from './crypto.ts';
import { type DatagramFaults, datagramFaults, gullible } from './faults.ts';
import { SrtPublisher } from './publisher.ts';
import { SrtRelay } from './relay.ts';
import { parseStreamId, type SrtTarget } from './stream-id.ts';

/** SRS's own (facts/srs.md 8). */
const DEFAULTS = { latencyMs: 120, peerLatencyMs: 0, pbkeylen: 16 } as const;
/** Callers that are waited for: as many players as a test lets come at once. Their cookies are known to be good. */
const MAX_HALF_OPEN = 8192;
/** As much as the system gives. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** Between two looks at what is due; acknowledgements are, 10 ms after a packet. */
const SWEEP_MS = { least: 2, most: 10 } as const;
/** A caller that is refused has its answer by then: SRS looks at its callers every 10 ms. */
const REFUSE_AFTER_MS = 10;
/** Mutant: what every caller is given. */
const ONLY_STREAM = { app: 'live', stream: 'livestream' };

export class SrtServer {
  readonly #node: MediaNode;
  readonly #port: number;
  readonly #socket: Socket;
  readonly #listener: SrtListener;
  readonly #callers = new Map<SrtConnection, SrtCaller>();
  readonly #relay = new SrtRelay();
  readonly #faults: DatagramFaults | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(node: MediaNode, port: number) {
    this.#node = node;
    this.#port = port;
    this.#faults = datagramFaults(node.mutants);
    // Addresses only: looked up at once, so that a packet is sent before it is written over.
    this.#socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
    this.#listener = new SrtListener(
      optionsOf(node),
      {
        onAnswer: (bytes, peer) => {
          this.#faults?.answer(bytes);
          this.#send(bytes, peer);
        },
        onPacketOut: (connection, bytes) => this.#onPacketOut(connection, bytes),
        onRequest: (request) => this.#refusesOpen(request) ?? { accept: true, ...this.#leniency(request) },
        onAccepted: (connection, peer, request) => this.#onAccepted(connection, peer, request),
        onData: (connection, bytes, start, now) => {
          const caller = this.#callers.get(connection);
          caller?.publisher?.onData(bytes.subarray(start), now);
          caller?.held?.add(bytes.subarray(start));
        },
        onClosed: (connection, closure) => this.#onClosed(connection, closure.detail),
      },
      (count) => randomBytes(count),
      { maxConnections: Number.POSITIVE_INFINITY, maxHalfOpen: MAX_HALF_OPEN },
    );
  }

  /** Resolves when the port is bound. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      socket.once('error', reject);
      socket.bind(this.#port, this.#node.config.host, () => {
        socket.off('error', reject);
        socket.on('error', (error) => this.#node.log(`srt: ${error.message}`));
        socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
        socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
        socket.on('message', (packet, peer) => this.#onPacket(packet, peer));
        resolve();
      });
    });
  }

  /** Shuts every caller down. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#listener.close(performance.now());
    this.#closed = true;
    clearTimeout(this.#sweeper);
    this.#socket.close();
  }

  #onPacket(packet: Uint8Array, peer: SrtPeer): void {
    // Port 0 means that nobody wants an answer (RFC 768); Node throws at who sends one there.
    if (peer.port === 0) return;
    if (this.#faults && !this.#faults.incoming(packet)) return;
    this.#listener.receive(packet, peer, performance.now());
    if (this.#node.mutants.has('srt-malformed-kills-node')) this.#dieOfMalformed();
  }

  #onPacketOut(connection: SrtConnection, bytes: Uint8Array): void {
    const caller = this.#callers.get(connection);
    if (!caller || (this.#faults && !this.#faults.outgoing(bytes))) return;
    // Control packets are written again while the system may still have to read this one.
    this.#send(isControl(bytes) ? bytes.slice() : bytes, caller.peer);
  }

  #send(bytes: Uint8Array, { address, port }: SrtPeer): void {
    if (!this.#closed) this.#socket.send(bytes, port, address);
  }

  /** Nobody is refused with a reject code: SRS accepts, and closes (facts/srs.md 8). */
  #onAccepted(connection: SrtConnection, peer: SrtPeer, request: SrtRequest): void {
    const caller = new SrtCaller(connection, peer);
    this.#callers.set(connection, caller);
    this.#sweeper ??= setTimeout(() => this.#sweep(), SWEEP_MS.most);
    if (!this.#node.admit(caller, peer.address)) {
      this.#refuse(caller, 'too many connections');
      return;
    }
    const target = this.#targetOf(request.streamId);
    const name = target && streamName(target.app, target.stream);
    if (!name) this.#refuse(caller, `stream id ${JSON.stringify(request.streamId)}`);
    else if (target.publish) this.#publish(caller, name, target);
    else this.#play(caller, name);
  }

  #targetOf(streamId: string): SrtTarget | undefined {
    const target = parseStreamId(streamId);
    return target && this.#node.mutants.has('srt-stream-id-ignored') ? { ...target, ...ONLY_STREAM } : target;
  }

  #publish(caller: SrtCaller, name: StreamName, { app, stream: streamWithQuery }: SrtTarget): void {
    const client = this.#record(caller, name, true);
    const { tcUrl } = client;
    const stream = this.#node.stream(name.url);
    const request = { stream, app, streamName: streamWithQuery, tcUrl, client };
    const admitted = this.#node.hooks?.onPublish(request);
    if (admitted) this.#hold(caller, request, admitted);
    else this.#admit(caller, request);
  }

  /** Until a hook has let the publisher in. */
  #hold(caller: SrtCaller, request: PublishRequest, admitted: Promise<void>): void {
    const held = new HeldPayloads();
    caller.held = held;
    const decided = (refusal?: Error): void => {
      if (caller.held !== held) {
        if (!refusal) this.#node.hooks?.onLeft(request);
        return;
      }
      caller.held = undefined;
      if (refusal) this.#refuse(caller, refusal.message);
      else {
        this.#admit(caller, request);
        for (const payload of held.payloads) caller.publisher?.onData(payload, performance.now());
      }
    };
    admitted.then(() => decided(), decided);
  }

  #admit(caller: SrtCaller, request: PublishRequest): void {
    const { mutants, role, timeouts } = this.#node;
    const { url } = request.stream;
    const publication = role.publish(request, {
      onStarted() {},
      onClosed: (reason) => this.#refuse(caller, reason),
    });
    if (!publication) {
      if (!mutants.has('srt-refuses-without-close')) {
        this.#refuse(caller, `stream ${url} is busy (code 6007)`);
      }
      return;
    }
    caller.publisher = new SrtPublisher(
      publication,
      {
        onPayload: (payload, at) => this.#relay.send(url, payload, at),
        onInvalid: (reason) => this.#refuse(caller, reason),
      },
      timeouts.srtPublishSilence,
      mutants,
    );
    this.#enter(caller, request.client);
  }

  #play(caller: SrtCaller, name: StreamName): void {
    const stream = this.#node.stream(name.url);
    stream.guests++;
    this.#relay.add(name.url, caller.connection);
    caller.onLeft = () => {
      stream.guests--;
      this.#relay.remove(name.url, caller.connection);
    };
    this.#enter(caller, this.#record(caller, name, false));
  }

  #record(caller: SrtCaller, name: StreamName, publish: boolean): ClientRecord {
    return {
      id: randomId(),
      type: publish ? 'srt-publish' : 'srt-play',
      ip: caller.peer.address,
      tcUrl: `srt://${this.#node.config.host}:${this.#port}/${name.app}`,
      url: name.url,
      name: name.name,
      publish,
      since: Date.now(),
      socket: caller,
    };
  }

  #enter(caller: SrtCaller, client: ClientRecord): void {
    caller.client = client;
    this.#node.enter(client);
  }

  #refuse(caller: SrtCaller, reason: string): void {
    this.#node.log(`srt ${caller.peer.address}:${caller.peer.port} closed: ${reason}`);
    caller.end();
    setTimeout(() => caller.destroy(), REFUSE_AFTER_MS);
  }

  #onClosed(connection: SrtConnection, detail: string): void {
    const caller = this.#callers.get(connection);
    if (!caller) return;
    this.#callers.delete(connection);
    this.#node.release(caller);
    caller.end();
    if (caller.client) {
      this.#node.log(`srt ${caller.peer.address}:${caller.peer.port}: ${detail}`);
      this.#node.leave(caller.client);
    }
  }

  #sweep(): void {
    const now = performance.now();
    const next = this.#listener.tick(now);
    this.#sweeper = undefined;
    if (this.#callers.size === 0 || this.#closed) return;
    const wait = Math.min(Math.max(Math.ceil(next - now), SWEEP_MS.least), SWEEP_MS.most);
    this.#sweeper = setTimeout(() => this.#sweep(), wait);
  }

  /** Mutant. */
  #refusesOpen({ encrypted }: SrtRequest): SrtDecision | undefined {
    const refuses = this.#node.mutants.has('srt-refuses-open-callers') && !encrypted;
    return refuses ? { accept: false, reason: RejectReason.unsecure } : undefined;
  }

  /** Mutant. */
  #leniency({ encrypted }: SrtRequest): { options?: Partial<SrtOptions> } {
    if (!this.#node.mutants.has('srt-accepts-wrong-passphrase')) return {};
    if (!encrypted) return { options: { passphrase: undefined } };
    return this.#node.config.settings.srt?.passphrase === undefined ? { options: { passphrase: 'any' } } : {};
  }

  /** Mutant. */
  #dieOfMalformed(): void {
    let malformed = this.#listener.refused;
    for (const { figures } of this.#callers.keys()) malformed += figures.malformed;
    if (malformed > 0) throw new Error(`${malformed} malformed SRT packets`);
  }
}

function optionsOf({ config: { settings }, timeouts, mutants }: MediaNode): Partial<SrtOptions> {
  const { latencyMs, peerLatencyMs, passphrase, pbkeylen } = { ...DEFAULTS, ...settings.srt };
  return {
    latencyMs: mutants.has('srt-latency-ignored') ? 0 : latencyMs,
    peerLatencyMs: mutants.has('srt-latency-ignored') ? 0 : peerLatencyMs,
    passphrase,
    keyBytes: pbkeylen,
    crypto: mutants.has('srt-accepts-wrong-passphrase') ? gullible(listenerCrypto) : listenerCrypto,
    peerIdleTimeoutMs: mutants.has('srt-idle-kept')
      ? Number.POSITIVE_INFINITY
      : (settings.srt?.peerIdleMs ?? timeouts.srtPeerIdle),
  };
}
