/**
 * The findings of a load. A generator that was too slow explains lost frames and lost players as well as a bad server
 * does, so with an unhealthy generator nothing is blamed on the server: what would fail is inconclusive.
 */
import { formatMs, formatNumber, plural } from './format.ts';
import { playlistsJudged, segmentsJudged } from './judge-hls.ts';
import { rtpJudged, srtJudged } from './judge-udp.ts';
import type { Evidence, Finding, Load, Verdict } from './results.ts';

/** Pure. The worst verdict of the findings is the verdict of the load. */
export function judgeLoad(load: Load, run: { readonly interrupted: boolean }): Finding[] {
  const judge = (check: string, title: string, said: Said): Finding => {
    const blamed = said.verdict === 'fail' && !load.generator.healthy;
    return {
      check: `load/${check}`,
      title,
      topology: 'external',
      engine: 'unknown',
      verdict: blamed ? 'inconclusive' : said.verdict,
      expected: said.expected,
      actual: said.actual,
      evidence: [
        ...(said.evidence ?? []),
        ...(blamed
          ? [{ label: 'generator', detail: 'unhealthy: this may be its own doing, not the server’s' }]
          : []),
      ],
      durationMs: load.seconds * 1000,
    };
  };
  return [
    judge('joined', 'Every player joins', joined(load, run.interrupted)),
    judge('kept', 'No player is lost before the end', kept(load)),
    judge('frames', 'Every frame arrives once, in order and intact', frames(load)),
    judge('flowing', 'Media flows until the end', flowing(load)),
    judge('served', 'Every player is served until the end', served(load)),
    judge('stamped', 'Every video frame can be judged', stamped(load)),
    ...(load.hls === undefined
      ? []
      : [
          judge('playlists', 'Playlists come, are fresh and go forward', playlistsJudged(load.hls)),
          judge('segments', 'Listed segments come, whole and in order', segmentsJudged(load.hls)),
        ]),
    ...(load.srt === undefined
      ? []
      : [judge('srt', 'Every SRT packet is there when it is to be played', srtJudged(load.srt))]),
    ...(load.webrtc === undefined
      ? []
      : [judge('rtp', 'Every RTP packet comes, in time and readable', rtpJudged(load.webrtc))]),
    judge('generator', 'The generator had time to spare', generator(load)),
    ...(run.interrupted
      ? [
          judge('complete', 'The run lasts as long as asked', {
            verdict: 'inconclusive',
            expected: 'a run to its end',
            actual: `interrupted after ${formatNumber(load.seconds)} s`,
          }),
        ]
      : []),
  ];
}

interface Said {
  readonly verdict: Verdict;
  readonly expected: string;
  readonly actual: string;
  readonly evidence?: readonly Evidence[];
}

/** Begins the reasons of players that were still waiting for their first keyframe when the run ended. */
const STILL_WAITING = 'no-keyframe.';

/** Who interrupts a run cannot blame the server for players that were still on their way. */
function joined({ clients, reasons }: Load, interrupted: boolean): Said {
  const { requested, failed } = clients;
  const waiting = Object.entries(reasons)
    .filter(([reason]) => reason.startsWith(STILL_WAITING))
    .reduce((sum, [, count]) => sum + count, 0);
  const unopened = requested - clients.joined - failed;
  const lost = interrupted ? failed - Math.min(waiting, failed) : failed + unopened;
  const actual = [`${formatNumber(clients.joined)} joined`];
  if (failed > 0) actual.push(`${formatNumber(failed)} failed`);
  if (unopened > 0) actual.push(`${formatNumber(unopened)} had neither joined nor failed at the end`);
  return {
    verdict: lost > 0 ? 'fail' : clients.joined < requested ? 'inconclusive' : 'pass',
    expected: `${plural(requested, 'player')} joined`,
    actual: actual.join(', '),
    evidence: failed > 0 ? reasonsOf(reasons) : [],
  };
}

function kept({ clients: { joined, dropped }, reasons }: Load): Said {
  const expected = 'no player dropped';
  if (joined === 0) return { verdict: 'inconclusive', expected, actual: 'there was no player to keep' };
  return {
    verdict: dropped > 0 ? 'fail' : 'pass',
    expected,
    actual: `${dropped > 0 ? formatNumber(dropped) : 'none'} of ${formatNumber(joined)} dropped`,
    evidence: dropped > 0 ? reasonsOf(reasons) : [],
  };
}

function reasonsOf(reasons: Load['reasons']): Evidence[] {
  return Object.entries(reasons)
    .toSorted((a, b) => b[1] - a[1])
    .map(([label, count]) => ({ label, detail: plural(count, 'player') }));
}

function frames({ frames: of }: Load): Said {
  const wrong = (['missing', 'duplicated', 'reordered', 'corrupt'] as const).filter((kind) => of[kind] > 0);
  const count = of.received - of.unstamped;
  const judged = plural(count, 'stamped frame');
  const expected = 'no frame missing, duplicated, reordered or corrupt';
  if (count === 0)
    return { verdict: 'inconclusive', expected, actual: 'there was no stamped frame to judge' };
  return {
    verdict: wrong.length > 0 ? 'fail' : 'pass',
    expected,
    actual:
      wrong.length > 0
        ? `${wrong.map((kind) => `${formatNumber(of[kind])} ${kind}`).join(', ')}, of ${judged}`
        : `none, of ${judged}`,
  };
}

/**
 * Seconds in a row without a byte for anybody that no live stream explains: SRS's merged writing holds a frame back for
 * 350 ms at each hop (facts/srs.md 7.3).
 */
const SILENCE_SECONDS = 2;

/**
 * Frames that never came after the last one are missing to nobody's knowledge: silence is what shows them. Players of
 * HLS are silent between two reloads, which are a target duration apart.
 */
function flowing({ timeline, bytes, hls }: Load): Said {
  const bound = SILENCE_SECONDS + Math.ceil((hls?.targetDurationMs ?? 0) / 1000);
  const first = timeline.findIndex(({ mbitPerSecond }) => mbitPerSecond > 0);
  let silent = 0;
  let longest = 0;
  for (const { mbitPerSecond } of first === -1 ? [] : timeline.slice(first)) {
    silent = mbitPerSecond > 0 ? 0 : silent + 1;
    longest = Math.max(longest, silent);
  }
  const nothing = first === -1 && (timeline.length > 0 || bytes === 0);
  const stopped = nothing || longest >= bound;
  return {
    verdict: stopped ? 'inconclusive' : 'pass',
    expected: `no ${bound} s without a byte for any player`,
    actual: nothing
      ? 'no second with a byte'
      : stopped
        ? `${longest} s without a byte: the publisher or the server stopped, nobody here can tell which`
        : 'bytes all the time',
  };
}

/**
 * Some starve while others of the same stream are served: that is the server's doing. Where all of a stream do, its
 * publisher may have stopped; where those of every stream do, `flowing` speaks, too.
 */
function served({ stalls: { lasting, ofUrls }, clients: { joined, dropped } }: Load): Said {
  const there = joined - dropped;
  const unlike = (ofUrls ?? [{ there, lasting }]).some((of) => of.lasting > 0 && of.lasting < of.there);
  return {
    verdict: unlike ? 'fail' : lasting > 0 ? 'inconclusive' : 'pass',
    expected: 'no player whose picture stands still at the end',
    actual: lasting === 0 ? 'none' : `${formatNumber(lasting)} of ${plural(there, 'player')}`,
  };
}

/** Unknown is never a pass: a frame without a stamp may be old, or missing its neighbours, and nobody can tell. */
function stamped({ frames: { received, unstamped } }: Load): Said {
  const expected = 'every video frame carries a stamp (liveproof publish adds it)';
  if (received === 0) {
    return {
      verdict: 'inconclusive',
      expected,
      actual: 'no video frame was received',
    };
  }
  return {
    verdict: unstamped > 0 ? 'inconclusive' : 'pass',
    expected,
    actual:
      unstamped === 0
        ? `all ${formatNumber(received)} frames`
        : `${formatNumber(unstamped)} of ${plural(received, 'frame')} without a stamp: their latency and loss are unknown`,
  };
}

function generator({ generator: of }: Load): Said {
  return {
    verdict: of.healthy ? 'pass' : 'inconclusive',
    expected: 'event-loop lag and processor share within their bounds in every worker',
    actual: of.healthy
      ? `event-loop lag p99 ${formatMs(of.loopLagP99Ms)}, ${plural(of.cpuCores, 'core')}`
      : of.reasons.join('; ') || 'unhealthy',
  };
}
