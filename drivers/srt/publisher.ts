/** Publishes one stream over SRT: H.264 and AAC in MPEG-TS. */
import type { MediaType } from '../../protocols/media.ts';
import { type ClientObserver, type ClientOptions, ClientState, type Publisher } from '../client.ts';
import { wallClock } from '../measure/clock.ts';
import { SrtClient } from './client.ts';
import { TsPacketizer } from './packetizer.ts';

export class SrtPublisher extends SrtClient implements Publisher {
  private readonly packetizer = new TsPacketizer((message) => {
    if (this.call?.connection.send(message, performance.now()) === false) this.taken = false;
    this.observer?.onMessage?.(this, message, 0, wallClock.now());
  });
  private taken = true;

  /** @param url `srt://host:port?streamid=…&latency=…&passphrase=…&pbkeylen=…` (url.ts). */
  constructor(url: string, options?: ClientOptions, observer?: ClientObserver) {
    super(url, 'publish', options, observer);
  }

  get backlog(): number {
    return this.call?.connection.backlog ?? 0;
  }

  /**
   * @returns false when a part of it was not taken, as 8192 packets wait to be acknowledged.
   * @throws ProtocolError NalLength, AvcConfig, AacConfig for a body that is none.
   */
  send(type: MediaType, timestamp: number, body: Uint8Array): boolean {
    if (this.state !== ClientState.streaming) return false;
    this.taken = true;
    this.packetizer.push(type, timestamp, body);
    this.call?.wake();
    return this.taken;
  }
}
