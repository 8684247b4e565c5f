/** A UDP socket that speaks SRT by hand: handshakes packet by packet, and whatever else a check wants to send. */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { nodeCrypto } from '../../drivers/srt/crypto.ts';
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  HandshakeType,
  inductionRequest,
  LIVE_FLAGS,
  loopbackAddress,
  MTU,
  SRT_VERSION,
} from '../../protocols/srt/handshake.ts';
import { KeyRing } from '../../protocols/srt/key-material.ts';
import {
  ControlType,
  controlTypeOf,
  encodeControl,
  HEADER_SIZE,
  isControl,
} from '../../protocols/srt/packet.ts';
import { SRT_PASSPHRASE } from '../bounds.ts';
import { WireError, WireErrorCode } from './socket.ts';

const FLOW_WINDOW = 8192;
/** An answer comes within a millisecond; a request is sent again, as a caller does. */
const AGAIN_AFTER_MS = 250;
const ANSWERED_WITHIN_MS = 3000;
/** Answers that are kept: a check cannot be made to swell by its subject. */
const KEPT = 1024;

export interface SrtWish {
  readonly streamId: string;
  /** What the caller wants to receive with, and what it asks its peer for. */
  readonly receiveLatencyMs: number;
  readonly sendLatencyMs: number;
  /** Default that of the gate. */
  readonly passphrase?: string;
  /** What the caller says it is. Default ours. */
  readonly srtVersion?: number;
}

export class WireSrt {
  readonly socketId = randomInt(1, 2 ** 30);
  readonly #socket: Socket;
  readonly #answers: Uint8Array[] = [];
  readonly #wakers = new Set<() => void>();
  /** Answers to requests that were sent again, which may still come. */
  #owed = 0;
  #closed = false;
  /** Datagrams that came. */
  received = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes) => {
      this.received++;
      if (this.#answers.length < KEPT) this.#answers.push(bytes);
      for (const wake of [...this.#wakers]) wake();
    });
    // A port where nobody listens is seen as silence.
    socket.on('error', () => {});
  }

  static open(target: { readonly host: string; readonly port: number }): Promise<WireSrt> {
    return new Promise((resolve, reject) => {
      const socket = createSocket('udp4');
      socket.once('error', reject);
      socket.connect(target.port, target.host, () => {
        socket.off('error', reject);
        resolve(new WireSrt(socket));
      });
    });
  }

  /** Resolves when the system has taken it. */
  send(bytes: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#socket.send(bytes, () => resolve()));
  }

  induction(): Uint8Array {
    return encodeHandshake(inductionRequest(this.socketId, randomInt(2 ** 31 - 1), FLOW_WINDOW), 0, 0);
  }

  conclusion(cookie: number, wish: SrtWish): Uint8Array {
    const keys = KeyRing.generate(nodeCrypto, wish.passphrase ?? SRT_PASSPHRASE, 16);
    const request: Handshake = {
      version: 5,
      encryption: 2,
      extensionField: 0,
      initialSequence: randomInt(2 ** 31 - 1),
      mtu: MTU,
      flowWindow: FLOW_WINDOW,
      type: HandshakeType.conclusion,
      socketId: this.socketId,
      cookie,
      peerAddress: loopbackAddress(),
      hs: {
        response: false,
        version: wish.srtVersion ?? SRT_VERSION,
        flags: LIVE_FLAGS,
        receiverDelay: wish.receiveLatencyMs,
        senderDelay: wish.sendLatencyMs,
      },
      streamId: wish.streamId,
      km: { response: false, content: keys.message() },
    };
    return encodeHandshake(request, 0, 0);
  }

  /** As callers before SRT 1.3 conclude: without extensions, which they send when they are connected. */
  oldConclusion(cookie: number): Uint8Array {
    const request: Handshake = {
      ...inductionRequest(this.socketId, randomInt(2 ** 31 - 1), FLOW_WINDOW),
      type: HandshakeType.conclusion,
      cookie,
    };
    return encodeHandshake(request, 0, 0);
  }

  /**
   * Sends a handshake until it is answered with one. The answer to an induction that was sent again is none to what is
   * asked next.
   * @throws WireError Timeout; ProtocolError for an answer that is none.
   */
  async ask(request: Uint8Array): Promise<Handshake> {
    const end = performance.now() + ANSWERED_WITHIN_MS;
    this.#answers.length = 0;
    for (let sent = 1; ; sent++) {
      await this.send(request);
      const answer = await this.#answer();
      if (answer !== undefined) {
        this.#owed += sent - 1;
        return answer;
      }
      if (performance.now() < end) continue;
      throw new WireError(WireErrorCode.Timeout, 'an answer to a handshake', 'silence');
    }
  }

  /** The next handshake that comes, but for answers to earlier inductions; undefined when none does in time. */
  async #answer(): Promise<Handshake | undefined> {
    const end = performance.now() + AGAIN_AFTER_MS;
    for (;;) {
      const bytes = await this.#next(isHandshake, end - performance.now());
      if (bytes === undefined) return undefined;
      this.#answers.splice(this.#answers.indexOf(bytes), 1);
      const answer = decodeHandshake(bytes);
      if (answer.type !== HandshakeType.induction || this.#owed === 0) return answer;
      this.#owed--;
    }
  }

  /** Takes leave of a peer, and closes. Idempotent. */
  async close(peerSocketId = 0): Promise<void> {
    if (this.#closed) return;
    if (peerSocketId !== 0) {
      await this.send(encodeControl(ControlType.shutdown, 0, 0, 0, peerSocketId, new Uint8Array(4)));
    }
    this.#closed = true;
    this.#socket.close();
  }

  #next(matches: (bytes: Uint8Array) => boolean, withinMs: number): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      const settle = (found: Uint8Array | undefined) => {
        clearTimeout(timer);
        this.#wakers.delete(look);
        resolve(found);
      };
      const look = () => {
        const found = this.#answers.find(matches);
        if (found !== undefined) settle(found);
      };
      const timer = setTimeout(() => settle(undefined), withinMs);
      this.#wakers.add(look);
      look();
    });
  }
}

function isHandshake(bytes: Uint8Array): boolean {
  return bytes.length > HEADER_SIZE && isControl(bytes) && controlTypeOf(bytes) === ControlType.handshake;
}
