/** The rungs of the ladder of seeds/004-nginx-rtmp-hls-on-kubernetes.txt, and the ffmpeg command that makes them. */
import type { MutantId } from '../builtin/mutants.ts';

export interface Rung {
  /** A stream `s` has its rung at `s_low`. */
  readonly suffix: string;
  /** BANDWIDTH in the master playlist, bit/s: RFC 8216 4.3.4.2 wants no segment of it above. */
  readonly bandwidth: number;
  /** What is encoded; left out for the source as it is. Rates in kbit/s. */
  readonly encoded?: { readonly width: number; readonly videoKbps: number; readonly audioKbps: number };
  /** The guide's own BANDWIDTH. Of most rungs it is below the rates that the guide's own command asks for. */
  readonly guideBandwidth: number;
}

/** x264 may spend a rate of a second and a half in one second: that of the second, and the buffer of half a one. */
const PEAK = 1.5;
/** Headers of TS and PES, parameter sets, stamps. */
const OVERHEAD = 1.2;
/** The guide's, for any source. */
const SOURCE_BANDWIDTH = 4_096_000;

function encoded(
  suffix: string,
  [width, videoKbps, audioKbps]: readonly [number, number, number],
  guideBandwidth: number,
): Rung {
  const bandwidth = Math.ceil((PEAK * videoKbps + audioKbps) * OVERHEAD) * 1000;
  return { suffix, bandwidth, encoded: { width, videoKbps, audioKbps }, guideBandwidth };
}

/** In the order of the guide's master playlist: the source first, so that players begin with it. */
export const LADDER: readonly Rung[] = [
  { suffix: 'src', bandwidth: SOURCE_BANDWIDTH, guideBandwidth: SOURCE_BANDWIDTH },
  encoded('hd720', [1280, 1920, 128], 2_048_000),
  encoded('high', [960, 1024, 128], 1_152_000),
  encoded('mid', [720, 768, 128], 448_000),
  encoded('low', [480, 256, 64], 288_000),
];

/** The rung that is the source as it is. */
export const SOURCE_RUNG = 'src';

/**
 * Other than in the guide:
 * - Keyframes are where the source has them, so that every rung can be cut at the same frames. `-crf 23` is left out:
 *   with it x264 ignores the rates that stand beside it.
 * - Each frame is encoded once and keeps its timestamp (`-fps_mode passthrough`, `-copyts`), and its unregistered SEI
 *   (`-udu_sei 1`): the stamp is in every rung, though its checksum holds in the source's only.
 * - `-fpsprobesize 0`: ffmpeg starts with the first keyframe that it gets and not after two seconds of looking.
 * - A stream without sound, or without pictures, has a ladder of what it has (`-map 0:a?`).
 * - One thread and `ultrafast` per encode: four of them are a quarter of a core for 640x360.
 */
export function ladderArguments(
  input: { readonly source: string; readonly target: (rung: Rung) => string },
  mutants: ReadonlySet<MutantId>,
): string[] {
  const made = LADDER.filter(({ suffix }) => !(suffix === 'hd720' && mutants.has('nginx-rtmp-no-hd720')));
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'warning'],
    ...['-copyts', '-fpsprobesize', '0', '-i', input.source],
    ...made.flatMap((rung) => [
      ...['-map', '0:v?'],
      ...(rung.suffix === 'low' && mutants.has('nginx-rtmp-silent-rung') ? [] : ['-map', '0:a?']),
      ...codecArguments(rung, mutants),
      ...['-f', 'flv', input.target(rung)],
    ]),
  ];
}

function codecArguments({ encoded: rates }: Rung, mutants: ReadonlySet<MutantId>): string[] {
  if (rates === undefined) return ['-c', 'copy'];
  const { width, videoKbps, audioKbps } = rates;
  const rate = `${videoKbps}k`;
  const height = mutants.has('nginx-rtmp-wrong-aspect') ? 'trunc(ow/3)*2' : 'trunc(ow/a/2)*2';
  return [
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-threads', '1'],
    ...['-vf', `scale=${width}:${height}`, '-fps_mode', 'passthrough'],
    ...['-b:v', rate, '-maxrate', rate, '-bufsize', `${videoKbps / 2}k`],
    ...keyframeArguments(mutants),
    ...(mutants.has('nginx-rtmp-no-udu-sei') ? [] : ['-udu_sei', '1']),
    ...['-c:a', 'aac', '-b:a', `${audioKbps}k`],
  ];
}

function keyframeArguments(mutants: ReadonlySet<MutantId>): string[] {
  if (mutants.has('nginx-rtmp-unaligned-gops'))
    return ['-g', '33', '-keyint_min', '33', '-sc_threshold', '0'];
  return ['-force_key_frames', 'source', '-forced-idr', '1', '-g', '250', '-sc_threshold', '0'];
}
