/** One line a second: rewritten in place on a terminal, plain lines otherwise. */
import type { HlsSnapshot } from './hls-figures.ts';
import type { LoadTick, PublishTick } from './load.ts';
import type { SrtSnapshot } from './srt-figures.ts';
import type { WebRtcSnapshot } from './webrtc-figures.ts';

/** What is needed of process.stderr. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const CLEAR_LINE = '\r\x1b[2K';

export class Progress {
  readonly #stream: ProgressStream;
  #open = false;

  constructor(stream: ProgressStream = process.stderr) {
    this.#stream = stream;
  }

  line(text: string): void {
    if (this.#stream.isTTY === true) {
      // A line that wraps could not be taken back.
      const width = Math.max(20, (this.#stream.columns || 80) - 1);
      this.#stream.write(`${CLEAR_LINE}${text.slice(0, width)}`);
      this.#open = true;
    } else {
      this.#stream.write(`${text}\n`);
    }
  }

  /** Leaves the last line standing. Idempotent. */
  end(): void {
    if (this.#open) this.#stream.write('\n');
    this.#open = false;
  }
}

export function loadLine(tick: LoadTick): string {
  const lost = tick.dropped > 0 ? `, ${tick.dropped} dropped` : '';
  return [
    `${tick.second.toFixed(0)} s ${tick.phase}`,
    `${tick.joined}/${tick.requested} joined, ${tick.failed} failed${lost}`,
    `${tick.intervalMbitPerSecond.toFixed(1)} Mbit/s`,
    `latency p50 ${ms(tick.intervalLatencyP50)} p99 ${ms(tick.intervalLatencyP99)}`,
    `${tick.stalls} stalls`,
    ...(tick.hls === undefined ? [] : [hls(tick.hls)]),
    ...(tick.srt === undefined ? [] : [srt(tick.srt)]),
    ...(tick.webrtc === undefined ? [] : [webrtc(tick.webrtc)]),
    health(tick.generator.healthy, tick.intervalLoopLagMs, tick.intervalCpuCores, tick.generator.reasons),
  ].join(' | ');
}

export function publishLine(tick: PublishTick): string {
  const lost = tick.dropped > 0 ? `, ${tick.dropped} dropped` : '';
  return [
    `${tick.second.toFixed(0)} s`,
    `${tick.publishing}/${tick.requested} publishing, ${tick.failed} failed${lost}`,
    `${tick.intervalMbitPerSecond.toFixed(1)} Mbit/s`,
    `late p99 ${ms(tick.lagP99Ms)}`,
    ...(tick.untakenMs > 0 ? [`not taken for ${ms(tick.untakenMs)}`] : []),
    `loop lag ${ms(tick.loopLagMs)}`,
  ].join(' | ');
}

function hls({ playlists, segments, problems }: HlsSnapshot): string {
  const failed = playlists.failed + segments.failed;
  const wrong = Object.values(problems).reduce((sum, count) => sum + count, 0);
  const bad = [...(failed > 0 ? [`${failed} failed`] : []), ...(wrong > 0 ? [`${wrong} problems`] : [])];
  const good = `${playlists.requests} playlists, ${segments.requests} segments`;
  return [good, ...bad].join(', ');
}

function srt({ packets: { received, lost, dropped, undecryptable } }: SrtSnapshot): string {
  const bad = undecryptable > 0 ? [`${undecryptable} undecryptable`] : [];
  return [`${received} SRT packets, ${lost} lost, ${dropped} dropped`, ...bad].join(', ');
}

function webrtc({ rtp, srtp }: WebRtcSnapshot): string {
  const bad = srtp.forged > 0 ? [`${srtp.forged} undecryptable`] : [];
  return [`${rtp.packets} RTP packets, ${rtp.lost} lost, ${rtp.recovered} recovered`, ...bad].join(', ');
}

function health(healthy: boolean, lag: number, cores: number, reasons: readonly string[]): string {
  const figures = `loop lag ${ms(lag)}, ${cores.toFixed(2)} cores`;
  return healthy ? `generator ok (${figures})` : `generator UNHEALTHY (${figures}): ${reasons.join('; ')}`;
}

/** Unknown is never zero. */
function ms(value: number | null): string {
  return value === null ? '-' : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
