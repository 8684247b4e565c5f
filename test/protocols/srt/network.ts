/** Two ends of SRT over a network that exists in a test alone, on a clock that the test moves. */
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import { type SrtClosure, SrtConnection } from '../../../protocols/srt/connection.ts';
import { SrtListener, type SrtListenerHandler } from '../../../protocols/srt/listener.ts';
import type { SrtOptions } from '../../../protocols/srt/options.ts';

export const PEER = { address: '127.0.0.1', port: 4000 };

interface Flight {
  readonly at: number;
  readonly order: number;
  readonly up: boolean;
  readonly packet: Uint8Array;
}

export interface NetworkOptions {
  readonly caller?: Partial<SrtOptions>;
  readonly listener?: Partial<SrtOptions>;
  readonly handler?: Partial<SrtListenerHandler>;
  readonly initialSequence?: number;
  /** Which packets are lost. */
  readonly lose?: (packet: Uint8Array, up: boolean, now: number) => boolean;
  /** A message that is played at the caller; only valid during the call. */
  readonly onCallerData?: (bytes: Uint8Array, start: number) => void;
  /** One-way delay in ms. */
  readonly delay?: () => number;
}

/** A caller and a listener. Received payloads are kept by their first four bytes, a number. */
export class Network {
  now = 1000;
  readonly caller: SrtConnection;
  readonly listener: SrtListener;
  accepted: SrtConnection | undefined;
  connectedAt = Number.NaN;
  /** Numbers, and when they were played. */
  readonly atCaller: { number: number; at: number }[] = [];
  readonly atListener: { number: number; at: number }[] = [];
  callerClosed: SrtClosure | undefined;
  acceptedClosed: SrtClosure | undefined;
  readonly packets: { up: boolean; packet: Uint8Array }[] = [];
  readonly #flights: Flight[] = [];
  readonly #options: NetworkOptions;
  #order = 0;

  constructor(options: NetworkOptions = {}) {
    this.#options = options;
    this.listener = new SrtListener(
      { crypto: nodeCrypto, ...options.listener },
      {
        onAnswer: (bytes) => this.#fly(false, bytes),
        onPacketOut: (_connection, bytes) => this.#fly(false, bytes),
        onAccepted: (connection) => {
          this.accepted = connection;
        },
        onData: (_connection, bytes, start, now) =>
          this.atListener.push({ number: numberOf(bytes, start), at: now }),
        onClosed: (_connection, closure) => {
          this.acceptedClosed = closure;
        },
        ...options.handler,
      },
      nodeCrypto.random,
    );
    this.caller = new SrtConnection(
      { crypto: nodeCrypto, ...options.caller },
      {
        onPacketOut: (_connection, bytes) => this.#fly(true, bytes),
        onConnected: (_connection, now) => {
          this.connectedAt = now;
        },
        onData: (_connection, bytes, start, now) => {
          this.atCaller.push({ number: numberOf(bytes, start), at: now });
          options.onCallerData?.(bytes, start);
        },
        onClosed: (_connection, closure) => {
          this.callerClosed = closure;
        },
      },
      { socketId: 77, initialSequence: options.initialSequence ?? 1 },
      this.now,
    );
  }

  /** Lets time go by, ms by ms. */
  run(ms: number, each?: (now: number) => void): this {
    for (const until = this.now + ms; this.now < until; ) {
      this.now++;
      for (;;) {
        let soonest = -1;
        for (let at = 0; at < this.#flights.length; at++) {
          const flight = this.#flights[at]!;
          if (flight.at > this.now) continue;
          const best = this.#flights[soonest];
          if (
            best === undefined ||
            flight.at < best.at ||
            (flight.at === best.at && flight.order < best.order)
          )
            soonest = at;
        }
        if (soonest < 0) break;
        const [flight] = this.#flights.splice(soonest, 1);
        if (flight!.up) this.listener.receive(flight!.packet, PEER, this.now);
        else this.caller.receive(flight!.packet, this.now);
      }
      each?.(this.now);
      if (this.caller.deadline <= this.now) this.caller.tick(this.now);
      this.listener.tick(this.now);
    }
    return this;
  }

  #fly(up: boolean, bytes: Uint8Array): void {
    const packet = bytes.slice();
    this.packets.push({ up, packet });
    if (this.#options.lose?.(packet, up, this.now) === true) return;
    const delay = this.#options.delay?.() ?? 5;
    this.#flights.push({ at: this.now + delay, order: this.#order++, up, packet });
  }
}

export function numbered(number: number, size = 1316): Uint8Array {
  const payload = new Uint8Array(size);
  new DataView(payload.buffer).setUint32(0, number);
  return payload;
}

function numberOf(bytes: Uint8Array, start: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(start);
}
