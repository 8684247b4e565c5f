/** WHEP (draft-ietf-wish-whep): one offer, its answer, and a DELETE at the end. */
import type { RtcRecord } from '../record.ts';
import type { Complain, PagePlayer } from './players.ts';

/** How often it looks how many frames have come: more than one per frame of 25 in a second. */
const COUNT_MS = 30;

/** Candidates are gathered before the offer is sent: at the latest then it goes with those that are there. */
const GATHER_MS = 1000;

export class WhepSession implements PagePlayer {
  readonly #connection = new RTCPeerConnection();
  readonly #abort = new AbortController();
  #resource: string | undefined;
  framesReceived = 0;

  constructor(video: HTMLVideoElement, url: string, complain: Complain) {
    this.#connection.addTransceiver('video', { direction: 'recvonly' });
    this.#connection.addTransceiver('audio', { direction: 'recvonly' });
    const stream = new MediaStream();
    video.srcObject = stream;
    this.#connection.addEventListener('track', ({ track }) => stream.addTrack(track));
    this.#connection.addEventListener('connectionstatechange', () => {
      const state = this.#connection.connectionState;
      if (state === 'failed' || state === 'disconnected')
        complain({ code: `whep.${state}`, detail: 'connection' });
    });
    this.#count();
    this.#negotiate(url).catch((error: Error) => {
      if (!this.#abort.signal.aborted) complain({ code: 'whep.signalling', detail: error.message });
    });
  }

  async #negotiate(url: string): Promise<void> {
    await this.#connection.setLocalDescription();
    await this.#gathered();
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: this.#connection.localDescription!.sdp,
      signal: this.#abort.signal,
    });
    if (!response.ok) throw new Error(`the offer is answered with ${response.status}`);
    const location = response.headers.get('Location');
    if (location !== null) this.#resource = new URL(location, url).href;
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  }

  async #count(): Promise<void> {
    const stats = await this.stats();
    this.framesReceived = stats?.framesReceived ?? 0;
    if (!this.#abort.signal.aborted) setTimeout(() => this.#count(), COUNT_MS);
  }

  #gathered(): Promise<void> {
    const connection = this.#connection;
    return new Promise((resolve) => {
      const look = (): void => {
        if (connection.iceGatheringState === 'complete') resolve();
      };
      connection.addEventListener('icegatheringstatechange', look);
      setTimeout(resolve, GATHER_MS);
      look();
    });
  }

  async stats(): Promise<RtcRecord | null> {
    const report = await this.#connection.getStats();
    const all = [...report.values()] as Record<string, string | number | undefined>[];
    const video = all.find((stats) => stats.type === 'inbound-rtp' && stats.kind === 'video');
    if (video === undefined) return null;
    const count = (name: string): number => Number(video[name] ?? 0);
    const emitted = count('jitterBufferEmittedCount');
    return {
      codec: String(all.find(({ id }) => id === video.codecId)?.mimeType ?? 'unknown'),
      decoder: String(video.decoderImplementation ?? 'unknown'),
      packetsLost: count('packetsLost'),
      framesReceived: count('framesReceived'),
      framesDecoded: count('framesDecoded'),
      framesDropped: count('framesDropped'),
      freezes: count('freezeCount'),
      jitterBufferMs: emitted === 0 ? null : (count('jitterBufferDelay') / emitted) * 1000,
    };
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#connection.close();
    if (this.#resource !== undefined) await fetch(this.#resource, { method: 'DELETE' });
  }
}
