/** Two runs side by side: verdicts that changed, and figures with their change. */
import { median } from './baseline-statistics.ts';
import type { Distribution, Environment, Finding, Results, Verdict } from './results.ts';
import { VERDICTS, worstVerdict } from './results.ts';

/** What became of a finding. `gone`: the second run does not have it, so that nobody can say. */
export type Change = 'worse' | 'gone' | 'better' | 'new' | 'same';

export interface FindingChange {
  readonly check: string;
  readonly topology: string;
  readonly engine: string;
  readonly mutant?: string;
  readonly before?: Verdict;
  readonly after?: Verdict;
  readonly change: Change;
  /** Of the later run that has it. */
  readonly finding: Finding;
}

export interface FigureChange {
  readonly name: string;
  readonly unit: string;
  readonly before: number | null;
  readonly after: number | null;
  /** (after - before) / before; null where one is unknown, or there is nothing to divide by. */
  readonly ratio: number | null;
  /** Of counts of what must not happen: it happened more often. */
  readonly worse: boolean;
}

export interface Comparison {
  readonly before: Results;
  readonly after: Results;
  /** Those that are not the same, the worst change first. */
  readonly findings: readonly FindingChange[];
  readonly same: number;
  readonly figures: readonly FigureChange[];
  /** What makes figures hard to compare: another machine, an interruption, other clients. */
  readonly notes: readonly string[];
  /** `fail` when a verdict is worse than before, `inconclusive` when a finding is gone, else `pass`. */
  readonly verdict: Extract<Verdict, 'pass' | 'fail' | 'inconclusive'>;
}

const ORDER: readonly Change[] = ['worse', 'gone', 'better', 'new', 'same'];

/** Both must be of one kind. */
export function compareRuns(before: Results, after: Results): Comparison {
  const all = changesOf(before.findings, after.findings);
  const changed = all
    .filter(({ change }) => change !== 'same')
    .toSorted((a, b) => ORDER.indexOf(a.change) - ORDER.indexOf(b.change));
  const isWorse =
    isWorseThan(after.verdict, before.verdict) || changed.some(({ change }) => change === 'worse');
  const isUnknown = changed.some(({ change }) => change === 'gone');
  return {
    before,
    after,
    findings: changed,
    same: all.length - changed.length,
    figures: figuresOf(before, after),
    notes: notesOf(before, after),
    verdict: isWorse ? 'fail' : isUnknown ? 'inconclusive' : 'pass',
  };
}

function isWorseThan(after: Verdict, before: Verdict): boolean {
  return VERDICTS.indexOf(after) > VERDICTS.indexOf(before);
}

function keyOf({ check, topology, engine, mutant }: Finding): string {
  return JSON.stringify([check, topology, engine, mutant ?? null]);
}

function changesOf(before: readonly Finding[], after: readonly Finding[]): FindingChange[] {
  const keys = new Set([...before, ...after].map(keyOf));
  return [...keys].map((key): FindingChange => {
    const [was, is] = [before, after].map((findings) =>
      findings.filter((finding) => keyOf(finding) === key),
    ) as [Finding[], Finding[]];
    const [worstBefore, worstAfter] = [verdictOf(was), verdictOf(is)];
    const finding = (is[0] ?? was[0])!;
    const { check, topology, engine, mutant } = finding;
    return {
      ...{ check, topology, engine, finding },
      ...(mutant !== undefined && { mutant }),
      ...(worstBefore !== undefined && { before: worstBefore }),
      ...(worstAfter !== undefined && { after: worstAfter }),
      change: changeOf(worstBefore, worstAfter),
    };
  });
}

function verdictOf(findings: readonly Finding[]): Verdict | undefined {
  return findings.length === 0 ? undefined : worstVerdict(findings.map(({ verdict }) => verdict));
}

/** A finding that did not pass and is new is no change for the better, but of nothing that was known. */
function changeOf(before: Verdict | undefined, after: Verdict | undefined): Change {
  if (after === undefined) return 'gone';
  if (before === undefined) return 'new';
  if (before === after) return 'same';
  return isWorseThan(after, before) ? 'worse' : 'better';
}

interface Figure {
  readonly unit: string;
  readonly value: number | null;
  /** It counts what must not happen. */
  readonly bad?: boolean;
}

type Figures = Readonly<Record<string, Figure>>;

function figuresOf(before: Results, after: Results): FigureChange[] {
  const [was, is] = [allFigures(before), allFigures(after)];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])].map((name) => {
    const { unit, bad = false } = (is[name] ?? was[name])!;
    const [a, b] = [was[name]?.value ?? null, is[name]?.value ?? null];
    const isKnown = a !== null && b !== null;
    return {
      ...{ name, unit, before: a, after: b },
      ratio: isKnown && a !== 0 ? (b - a) / a : isKnown && b === 0 ? 0 : null,
      worse: bad && isKnown && b > a,
    };
  });
}

function allFigures(results: Results): Figures {
  return {
    'duration of the run': { unit: 's', value: results.durationMs / 1000 },
    ...loadFigures(results),
    ...publishFigures(results),
    ...benchFigures(results),
    ...linkFigures(results),
  };
}

const count = (value: number, unit = ''): Figure => ({ unit, value });
const bad = (value: number): Figure => ({ unit: '', value, bad: true });

function distribution(
  name: string,
  of: Distribution,
  percentiles: readonly ('p50' | 'p99' | 'p999' | 'max')[],
): Figures {
  const words = { p50: 'p50', p99: 'p99', p999: 'p99.9', max: 'max' };
  return Object.fromEntries(percentiles.map((p) => [`${name} ${words[p]}`, { unit: 'ms', value: of[p] }]));
}

function loadFigures({ load }: Results): Figures {
  if (load === undefined) return {};
  const { clients, latency, startup, stalls, frames, generator, hls, srt, webrtc } = load;
  return {
    'players joined': count(clients.joined),
    'players failed': bad(clients.failed),
    'players dropped': bad(clients.dropped),
    'throughput, mean': {
      unit: 'Mbit/s',
      value: load.seconds > 0 ? (load.bytes * 8) / load.seconds / 1e6 : null,
    },
    ...distribution('startup', startup, ['p50', 'p99']),
    ...distribution('latency, steady', latency.steady, ['p50', 'p99', 'p999', 'max']),
    ...distribution('latency, join', latency.join, ['p50', 'p99']),
    stalls: bad(stalls.count),
    'frames received': count(frames.received),
    'frames missing': bad(frames.missing),
    'frames corrupt': bad(frames.corrupt),
    'frames duplicated': bad(frames.duplicated),
    'frames reordered': bad(frames.reordered),
    ...(hls && {
      'HLS requests failed': bad(hls.playlists.failed + hls.segments.failed),
      ...distribution('segment requests', hls.segments.time, ['p50', 'p99']),
    }),
    ...(srt && {
      'SRT packets dropped': bad(srt.packets.dropped),
      ...distribution('round trip, SRT', srt.rtt, ['p50', 'p99']),
    }),
    ...(webrtc && {
      'RTP packets lost': bad(webrtc.rtp.lost),
      ...distribution('jitter, RTP', webrtc.jitter, ['p50', 'p99']),
    }),
    'generator, CPU': count(generator.cpuCores, 'cores'),
    'generator, memory': count(generator.rssMb, 'MB'),
    'generator, loop lag p99': count(generator.loopLagP99Ms, 'ms'),
  };
}

function publishFigures({ publish }: Results): Figures {
  if (publish === undefined) return {};
  const { clients, frames, bytes, seconds, lag, untaken, generator } = publish;
  return {
    'streams published': count(clients.joined),
    'streams failed': bad(clients.failed),
    'streams dropped': bad(clients.dropped),
    ...(untaken && { 'streams not taken in time': bad(untaken.streams) }),
    'frames sent': count(frames),
    'throughput, mean': { unit: 'Mbit/s', value: seconds > 0 ? (bytes * 8) / seconds / 1e6 : null },
    ...distribution('late', lag, ['p50', 'p99', 'max']),
    'generator, CPU': count(generator.cpuCores, 'cores'),
    'generator, loop lag p99': count(generator.loopLagP99Ms, 'ms'),
  };
}

/** Medians of the repetitions; whether a change is more than noise is what `bench --baseline` tells. */
function benchFigures({ bench }: Results): Figures {
  if (bench === undefined) return {};
  const measured = bench.latency.flatMap(({ topology, engine, protocol, players, samples }) =>
    Object.entries(samples).flatMap(([name, values]): [string, Figure][] =>
      values.length === 0
        ? []
        : [
            [
              `${topology}, ${engine}, ${protocol}, ${players}: ${name}`,
              { unit: unitOf(name), value: median(values) },
            ],
          ],
    ),
  );
  const carried = bench.ladders.map(
    ({ topology, engine, protocol, climbs, at, largest }): [string, Figure] => [
      `${topology}, ${engine}, ${protocol} at ${at}: most ${climbs} within the SLO`,
      { unit: '', value: largest },
    ],
  );
  return Object.fromEntries([...measured, ...carried]);
}

function unitOf(name: string): string {
  if (/P\d+$/.test(name)) return 'ms';
  if (/Cores$/.test(name)) return 'cores';
  return /Mb$/.test(name) ? 'MB' : '';
}

/** What passed on the links of a cluster, as far as taps count it. */
function linkFigures({ clusters = [] }: Results): Figures {
  return Object.fromEntries(
    clusters.flatMap(({ topology, engine, links }): [string, Figure][] => {
      const taps = links.filter(({ media }) => media).flatMap((link) => link.taps);
      const sum = (of: (tap: (typeof taps)[number]) => number) =>
        taps.reduce((total, tap) => total + of(tap), 0);
      return [
        [`${topology}, ${engine}: connections on links`, count(sum(({ connections }) => connections))],
        [
          `${topology}, ${engine}: bytes on links`,
          count(
            sum(({ bytesUp, bytesDown }) => bytesUp + bytesDown),
            'B',
          ),
        ],
      ];
    }),
  );
}

function notesOf(before: Results, after: Results): string[] {
  const machine = ({ cpu, cores, os }: Environment) => `${cores} × ${cpu}, ${os}`;
  const [was, is] = [machine(before.environment), machine(after.environment)];
  const requested = ({ load, publish }: Results) => (load ?? publish)?.clients.requested;
  return [
    ...(was === is ? [] : [`Figures of different machines: ${was}; ${is}.`]),
    ...(before.interrupted ? ['The first run was interrupted.'] : []),
    ...(after.interrupted ? ['The second run was interrupted.'] : []),
    ...(requested(before) === requested(after)
      ? []
      : [`Different loads: ${requested(before)} clients; ${requested(after)} clients.`]),
  ];
}
