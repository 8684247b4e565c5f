/** An SRT caller that publishes: MPEG-TS goes to the SRT players as it is, and to all others as frames. */
import type { MediaType } from '../../../protocols/media.ts';
import { SYNC_BYTE, TS_PACKET_SIZE } from '../../../protocols/mpegts/reader.ts';
import type { Mutants } from '../mutants.ts';
import type { Publication } from '../role.ts';
import { payloadFaults } from './faults.ts';
import { TsRemuxer } from './remux.ts';

export interface SrtPublisherEvents {
  /** Transport packets for the SRT players of the stream. */
  onPayload(payload: Uint8Array, now: number): void;
  /** What came is no transport stream, or nothing came for too long: the caller is to be closed. */
  onInvalid(reason: string): void;
}

export class SrtPublisher {
  readonly #events: SrtPublisherEvents;
  readonly #publication: Publication;
  readonly #remuxer: TsRemuxer;
  readonly #silence: NodeJS.Timeout | undefined;
  readonly #faults: ReturnType<typeof payloadFaults>;

  /** @param silenceMs without a packet for this long the publisher is gone. */
  constructor(publication: Publication, events: SrtPublisherEvents, silenceMs: number, mutants: Mutants) {
    this.#publication = publication;
    this.#events = events;
    this.#faults = payloadFaults(mutants);
    this.#remuxer = new TsRemuxer((type, timestamp, body) => this.#onMedia(type, timestamp, body));
    if (!mutants.has('srt-idle-kept')) {
      this.#silence = setTimeout(() => events.onInvalid('publisher is silent'), silenceMs);
    }
  }

  onData(payload: Uint8Array, now: number): void {
    this.#silence?.refresh();
    if (!isTransport(payload)) {
      this.#events.onInvalid(`${payload.length} bytes that are no transport packets`);
      return;
    }
    if (this.#faults) this.#faults(payload, (spoilt) => this.#pass(spoilt, now));
    else this.#pass(payload, now);
  }

  close(): void {
    clearTimeout(this.#silence);
    this.#remuxer.end();
    this.#publication.close();
  }

  #pass(payload: Uint8Array, now: number): void {
    this.#events.onPayload(payload, now);
    this.#remuxer.push(payload);
  }

  #onMedia(messageTypeId: MediaType, timestamp: number, payload: Uint8Array): void {
    this.#publication.onMessage({
      chunkStreamId: 0,
      messageTypeId,
      messageStreamId: 0,
      timestamp: timestamp >>> 0,
      payload,
    });
  }
}

function isTransport(payload: Uint8Array): boolean {
  if (payload.length === 0 || payload.length % TS_PACKET_SIZE !== 0) return false;
  for (let at = 0; at < payload.length; at += TS_PACKET_SIZE) if (payload[at] !== SYNC_BYTE) return false;
  return true;
}
