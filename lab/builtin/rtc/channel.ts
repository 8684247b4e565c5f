/** The WHEP side of a stream: whatever publishes it, its frames are packetized once and sent to all players. */
import { randomInt } from 'node:crypto';
import { encodeRtp } from '../../../protocols/rtp/packet.ts';
import { type Frame, FrameKind } from '../frame.ts';
import type { Mutants } from '../mutants.ts';
import type { StreamOutput } from '../output.ts';
import { SharedPackets } from './packets.ts';
import type { RtcPlayer } from './player.ts';
import { RtpTimeline } from './timeline.ts';

/** Opus over RTP has a clock of 48 kHz at any rate (RFC 7587 section 4.1). */
export const OPUS_CLOCK = 48_000;

export class RtcChannel {
  readonly packets: SharedPackets;
  readonly audioTimeline = new RtpTimeline(OPUS_CLOCK, randomInt(2 ** 32));
  /** Sessions and the publication that refer to it. */
  users = 0;
  readonly #players = new Set<RtcPlayer>();
  readonly #mutants: Mutants;

  constructor(mutants: Mutants) {
    this.#mutants = mutants;
    this.packets = new SharedPackets(randomInt(2 ** 32), mutants);
  }

  /** Of a player that can be sent to. */
  add(player: RtcPlayer): void {
    this.#players.add(player);
  }

  remove(player: RtcPlayer): void {
    this.#players.delete(player);
  }

  /** Another publication begins; players stay. Nothing waits for a merged write. */
  publication(onClosed: () => void): StreamOutput {
    this.packets.begin();
    this.audioTimeline.begin();
    for (const player of this.#players) player.onRepublish();
    let open = true;
    return {
      push: (frame) => this.#push(frame),
      close: () => {
        if (!open) return;
        open = false;
        if (this.#mutants.has('rtc-republish-loses-players')) this.#players.clear();
        onClosed();
      },
    };
  }

  #push(frame: Frame): void {
    if (frame.kind === FrameKind.videoHeader) this.packets.header(frame);
    else if (frame.isVideo && this.#players.size > 0) {
      const now = performance.now();
      const shared = this.packets.frame(frame, now);
      if (shared) for (const player of this.#players) player.onFrame(shared, now);
    }
  }

  /** An Opus packet of a WHIP publisher, as it is. RTMP publishers have none: nothing is transcoded. */
  audio(payload: Uint8Array, timestamp: number, marker: boolean): void {
    if (this.#players.size === 0) return;
    const now = performance.now();
    const header = { payloadType: 0, sequence: 0, ssrc: 0, marker };
    const bytes = encodeRtp({ ...header, timestamp: this.audioTimeline.stamp(timestamp, now) }, payload);
    const packet = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const player of this.#players) player.onAudio(packet, now);
  }
}
