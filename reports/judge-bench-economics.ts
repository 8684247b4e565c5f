/** What leaves the origins, judged: viewers must not multiply it where a node fetches once for all its players. Pure. */
import { formatNumber, formatPercent, plural } from './format.ts';
import type { Evidence, Verdict } from './results.ts';
import type { BenchEconomics } from './results-bench.ts';

interface Judged {
  /** Below `bench/`. */
  readonly check: string;
  readonly title: string;
  readonly topology: string;
  readonly engine: string;
  readonly said: {
    readonly verdict: Verdict;
    readonly expected: string;
    readonly actual: string;
    readonly evidence?: readonly Evidence[];
  };
}

/**
 * Of the bytes a second of the least viewers, for each merger. The measurement of a few is shorter, and what players get first
 * (frames since the last keyframe, segments of a playlist) is more of it.
 */
const MOST_GROWTH = 2;

/**
 * One of every place that was played at with merged pulls, and one of those of a topology that differ in who merges.
 * @param leastJoined share of the viewers without whom nothing is said of so many.
 */
export function judgeEconomics(economics: readonly BenchEconomics[], leastJoined = 1): Judged[] {
  const merged = economics.filter(({ variant }) => variant === 'merged');
  const fronts = [...new Set(merged.map(frontOf))].map((front) =>
    byViewers(merged.filter((row) => frontOf(row) === front)),
  );
  return [
    ...fronts.map((rows): Judged => {
      const { topology, engine, at, protocol, mergers = [] } = rows[0]!;
      const others = economics.filter(
        (row) => row.variant === 'unmerged' && frontOf(row) === frontOf(rows[0]!),
      );
      const isUncached = (row: BenchEconomics): boolean =>
        row.protocol === 'hls' && row.mergers?.length === 0 && clusterOf(row) === clusterOf(rows[0]!);
      const uncached = protocol === 'hls' && mergers.length > 0 ? merged.filter(isUncached) : [];
      return {
        check: `economics-${at}`,
        title:
          mergers.length > 0
            ? 'Viewers do not multiply what leaves the origin'
            : 'What leaves the origin for viewers is counted',
        topology,
        engine,
        said: {
          ...frontJudged(rows, protocol === 'hls' ? 'cache' : 'edges', leastJoined),
          evidence: [
            { label: 'merged', detail: told(rows) },
            ...(others.length > 0
              ? [{ label: 'without merged pulls', detail: told(byViewers(others)) }]
              : []),
            ...(uncached.length > 0
              ? [{ label: 'without the cache', detail: told(byViewers(uncached)) }]
              : []),
          ],
        },
      };
    }),
    ...compared(fronts, leastJoined),
  ];
}

/** With players of a proxy, that does not merge, there is a connection for each: nothing bounds what is counted. */
function frontJudged(
  rows: readonly BenchEconomics[],
  by: 'cache' | 'edges',
  leastJoined: number,
): Judged['said'] {
  const { mergers = [] } = rows[0]!;
  const actual = `of the most viewers: ${words(rows.at(-1)!)}`;
  const unseen = rows.find(({ viewerBytes, perViewerByte }) => viewerBytes === 0 || perViewerByte === null);
  const expected = expectedOf(mergers, by);
  if (unseen !== undefined) {
    return { verdict: 'inconclusive', expected, actual: `no viewer of ${sent(unseen)} got a byte` };
  }
  const over = rows.find(
    ({ pulls, healthy }) =>
      by === 'edges' && mergers.length > 0 && pulls > mergers.length && healthy !== false,
  );
  if (over !== undefined) return { verdict: 'fail', expected, actual: words(over) };
  const doubt = rows.map((row) => doubtOf(row, leastJoined)).find((why) => why !== undefined);
  if (doubt !== undefined) return { verdict: 'inconclusive', expected, actual: `${doubt}; ${actual}` };
  if (mergers.length === 0) return { verdict: 'pass', expected, actual };
  const blind = rows.find(({ pulls, originBytes }) => pulls === 0 || originBytes === 0);
  if (blind !== undefined) {
    const what = `nothing was seen to leave the origins for ${plural(sent(blind), 'viewer')} that got something`;
    return { verdict: 'inconclusive', expected, actual: what };
  }
  const growth = growthOf(rows);
  const most = MOST_GROWTH * mergers.length;
  if (growth !== undefined && growth > most) {
    const grown = `${words(rows[0]!)}; ${words(rows.at(-1)!)}: × ${growth.toFixed(1)} a second, at most × ${most}`;
    return { verdict: 'fail', expected, actual: grown };
  }
  return { verdict: 'pass', expected, actual };
}

function expectedOf(mergers: readonly string[], by: 'cache' | 'edges'): string {
  if (mergers.length === 0) return 'bytes of viewers and of origins, both counted';
  const growth = `no more bytes for many viewers than × ${MOST_GROWTH * mergers.length} of those for a few`;
  return by === 'cache'
    ? growth
    : `at most one connection for each of ${mergers.join(', ')}, as there is one stream; ${growth}`;
}

/** Bytes a second from the least viewers to the most. */
function growthOf(rows: readonly BenchEconomics[]): number | undefined {
  const [least, most] = [rows[0]!, rows.at(-1)!];
  if (rows.length < 2 || least.seconds <= 0 || most.seconds <= 0) return undefined;
  return most.originBytes / most.seconds / (least.originBytes / least.seconds);
}

/** Edges behind one that fetches for them, beside as many that fetch by themselves: a local origin. */
function compared(fronts: readonly (readonly BenchEconomics[])[], leastJoined: number): Judged[] {
  const last = fronts
    .map((rows) => rows.at(-1)!)
    .filter(({ mergers = [], protocol }) => mergers.length > 0 && protocol !== 'hls');
  return last.flatMap((many) =>
    last
      .filter((few) => clusterOf(few) === clusterOf(many) && few.protocol === many.protocol)
      .filter((few) => few.mergers!.length < many.mergers!.length)
      .map((few): Judged => {
        const told = `${few.at}: ${words(few)}; ${many.at}: ${words(many)}`;
        const isAlike = sent(few) === sent(many) && many.pulls > few.mergers!.length;
        const doubt = doubtOf(few, leastJoined) ?? doubtOf(many, leastJoined);
        const isLess =
          few.perViewerByte !== null && many.perViewerByte !== null && few.perViewerByte < many.perViewerByte;
        return {
          check: `economics-${few.at}-against-${many.at}`,
          title: 'A local origin takes less from the origins than edges that fetch by themselves',
          topology: few.topology,
          engine: few.engine,
          said: {
            verdict: isAlike && doubt === undefined ? (isLess ? 'pass' : 'fail') : 'inconclusive',
            expected: `a smaller share at ${few.at}, where ${few.mergers!.join(', ')} fetches, than at ${many.at}, where ${many.mergers!.join(', ')} do`,
            actual: !isAlike
              ? `as many viewers, at more edges than one: ${told}`
              : doubt === undefined
                ? told
                : `${doubt}; ${told}`,
          },
        };
      }),
  );
}

/** Why a row says nothing of as many viewers as were sent. */
function doubtOf(row: BenchEconomics, leastJoined: number): string | undefined {
  if (row.players < sent(row) * leastJoined)
    return `${formatNumber(row.players)} of ${plural(sent(row), 'viewer')} joined`;
  return row.healthy === false
    ? `the generator was unhealthy with ${plural(sent(row), 'viewer')}`
    : undefined;
}

function words(row: BenchEconomics): string {
  const share = row.perViewerByte === null ? 'an unknown share' : formatPercent(row.perViewerByte);
  return `origins sent ${share} of what ${plural(row.players, 'viewer')} got, over ${plural(row.pulls, 'connection')}`;
}

function told(rows: readonly BenchEconomics[]): string {
  return rows
    .map((row) => {
      const share = row.perViewerByte === null ? '–' : formatPercent(row.perViewerByte);
      return `${plural(sent(row), 'viewer')}: ${share} over ${formatNumber(row.pulls)}`;
    })
    .join('; ');
}

function sent({ requested, players }: Pick<BenchEconomics, 'requested' | 'players'>): number {
  return requested ?? players;
}

function byViewers(rows: readonly BenchEconomics[]): BenchEconomics[] {
  return rows.toSorted((a, b) => sent(a) - sent(b));
}

function clusterOf({ topology, engine }: BenchEconomics): string {
  return `${topology}/${engine}`;
}

function frontOf(row: BenchEconomics): string {
  return `${clusterOf(row)}/${row.at}/${row.protocol}`;
}
