/** What a load's HLS players say of playlists and segments. */
import { formatMs, formatNumber, plural } from './format.ts';
import type { Evidence, HlsLoad, Verdict } from './results.ts';

interface Said {
  readonly verdict: Verdict;
  readonly expected: string;
  readonly actual: string;
  readonly evidence?: readonly Evidence[];
}

/** Problems of the playlists themselves; all others are of segments. */
const OF_PLAYLISTS = /^hls\.(?:playlist\.|stale$|sequence\.|session\.|segment\.changed$)/;

/** `hls.gap` to people. Codes that are not here speak for themselves. */
const MEANING: Readonly<Record<string, string>> = {
  'hls.stale': 'unchanged for longer than 1.5 target durations (RFC 8216 6.2.1)',
  'hls.sequence.backwards': 'the media sequence number decreased (RFC 8216 6.2.2)',
  'hls.sequence.reset': 'the media sequence began anew',
  'hls.session.lost': 'the server no longer knew the session (hls_ctx)',
  'hls.segment.changed': 'a segment had another URI than before (RFC 8216 6.2.1)',
  'hls.gap': 'segments were skipped',
  'hls.segment.missing': 'a listed segment was answered with 404',
  'mpegts.continuity': 'packets were missing or twice in a transport stream',
  'mpegts.unreferenced': 'a transport stream had packets of a PID that its PMT does not name',
};

export function playlistsJudged({ playlists, problems }: HlsLoad): Said {
  return judged(
    playlists,
    pick(problems, (code) => OF_PLAYLISTS.test(code)),
    'playlist',
    'every playlist comes, is fresh and goes forward',
    `staleness p99 ${formatMs(playlists.staleness.p99)}`,
  );
}

export function segmentsJudged({ segments, problems }: HlsLoad): Said {
  return judged(
    segments,
    pick(problems, (code) => !OF_PLAYLISTS.test(code)),
    'segment',
    'every listed segment comes, whole and in order',
    `p99 ${formatMs(segments.time.p99)}`,
  );
}

function pick(problems: HlsLoad['problems'], of: (code: string) => boolean): [string, number][] {
  return Object.entries(problems)
    .filter(([code, count]) => count > 0 && of(code))
    .toSorted((a, b) => b[1] - a[1]);
}

/** Nothing asked for, nothing known. */
function judged(
  { requests, failed }: { readonly requests: number; readonly failed: number },
  problems: readonly [string, number][],
  what: string,
  expected: string,
  figures: string,
): Said {
  const evidence = problems.map(([code, count]) => ({
    label: code,
    detail: `${formatNumber(count)} times${MEANING[code] === undefined ? '' : `: ${MEANING[code]}`}`,
  }));
  if (requests === 0)
    return { verdict: 'inconclusive', expected, actual: `no ${what} was asked for`, evidence };
  const bad = failed > 0 || problems.length > 0;
  const wrong = problems.map(([code, count]) => `${formatNumber(count)} ${code}`);
  const failures = failed > 0 ? [`${formatNumber(failed)} failed`] : [];
  return {
    verdict: bad ? 'fail' : 'pass',
    expected,
    actual: bad
      ? `${[...failures, ...wrong].join(', ')}, of ${plural(requests, what)}`
      : `all ${formatNumber(requests)}, ${figures}`,
    evidence,
  };
}
