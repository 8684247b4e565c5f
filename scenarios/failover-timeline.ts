/** What a fault did, and when: read from the history alone. */
import type { Distribution, FailoverClient, FailoverTimeline } from '../reports/results.ts';
import { TWO_HOPS_MS } from './bounds.ts';
import type { EventOf, History, StepData } from './history.ts';
import { words } from './judging.ts';

/**
 * What is asked of a client of a check of a fault; a step `watched` of its history. `group` tells apart what several
 * checks ask of one observation.
 */
export interface Watched {
  readonly client: string;
  /** Whose stamps it is to see; an encoder's own label where it is that. */
  readonly publisher: string;
  readonly part: FailoverClient['part'];
  readonly boundMs: number;
  readonly since: FailoverClient['since'];
  /** Where the bound comes from, in words. */
  readonly why: string;
  /** No frame may be lost, in the gap neither. */
  readonly lossless: boolean;
  /** So many frames may come again: a pull of a publication that goes on begins with the cached GOP. Default 0. */
  readonly again?: number;
  readonly group: string;
}

/** How many connections each of some nodes may try within a second; a step `storm-bound`. */
export interface StormBound {
  readonly group: string;
  /** Names, separated by spaces. */
  readonly nodes: string;
  readonly perSecond: number;
  readonly why: string;
}

export const FailoverStep = { watched: 'watched', storm: 'storm-bound', cured: 'cured' } as const;

const STORM_WINDOW_MS = 1000;
/** What is at the end of a history is a gap only when it is longer than what lies between two frames anyhow. */
const LEAST_OPEN_GAP_MS = TWO_HOPS_MS;

export function watchedIn(history: History, group: string): Watched[] {
  return history
    .of('step')
    .filter(({ step, data }) => step === FailoverStep.watched && data.group === group)
    .map(({ data }) => data as unknown as Watched);
}

/** As a datum of a step. */
export function stepOf(watched: Watched): StepData {
  return { ...watched };
}

type Fault = EventOf<'node.control'> | EventOf<'link.control'>;

/** What a check did to the cluster, in order. */
export function faultsIn(history: History): Fault[] {
  return [...history.of('node.control'), ...history.of('link.control')].sort((a, b) => a.t - b.t);
}

function nameOf(fault: Fault): string {
  return fault.type === 'node.control' ? `${fault.action} ${fault.node}` : `${fault.action} ${fault.link}`;
}

/** Epoch ms; undefined when there was none, or nothing that could be had again. */
export function curedAt(history: History): number | undefined {
  return history.of('step').findLast(({ step }) => step === FailoverStep.cured)?.t;
}

export interface Course extends FailoverClient {
  /** Lost frames that are neither of the gap nor of the widest hole, by number. */
  readonly lostElsewhere: readonly number[];
  /** The first frame that came again or late, by number. */
  readonly firstDoubled: number | undefined;
  /** How its connection ended without its own doing after the fault; undefined when it did not. */
  readonly closed: EventOf<'client.closed'> | undefined;
}

/** What became of one client. @param faultAt epoch ms. */
export function courseOf(history: History, watched: Watched, faultAt: number): Course {
  return watched.client === watched.publisher
    ? publisherCourse(history, watched, faultAt)
    : playerCourse(history, watched, faultAt);
}

/** Counts the frames that a client got, or an encoder sent, since a moment and that are newer than all before. */
export class NewFrames {
  readonly #history: History;
  readonly #client: string;
  readonly #type: 'player.got' | 'publisher.sent';
  readonly #sinceAt: number;
  #next = 0;
  #newest = -1;
  #count = 0;

  /** @param sinceAt epoch ms. */
  constructor(history: History, { client, publisher }: Watched, sinceAt: number) {
    this.#history = history;
    this.#client = client;
    this.#type = client === publisher ? 'publisher.sent' : 'player.got';
    this.#sinceAt = sinceAt;
  }

  get count(): number {
    const events = this.#history.of(this.#type);
    for (; this.#next < events.length; this.#next++) {
      const { client, stamp, t } = events[this.#next]!;
      if (client !== this.#client || stamp === null || stamp.frame <= this.#newest) continue;
      this.#newest = stamp.frame;
      if (t > this.#sinceAt) this.#count++;
    }
    return this.#count;
  }
}

interface Arrival {
  readonly t: number;
  readonly frame: number;
}

function playerCourse(history: History, watched: Watched, faultAt: number): Course {
  const sent = framesSent(history, watched.publisher);
  const { fresh, doubled, received } = arrivalsOf(history, watched.client, sent.stream);
  const gap = longestGap(fresh, faultAt, endOf(history));
  // A quick return may miss more than the longest wait between two frames does.
  const excused = [gap, widestHole(fresh, faultAt)];
  const inGap = (frame: number) =>
    excused.some(
      ({ before, after }) =>
        before !== undefined && frame > before.frame && (after === undefined || frame < after.frame),
    );
  const [first, last] = [fresh[0]?.frame ?? 0, fresh.at(-1)?.frame ?? -1];
  const due = sent.frames.filter((frame) => frame > first && frame < last && !received.has(frame));
  const [from, to] = [gap.before?.frame ?? first, gap.after?.frame ?? last];
  return {
    ...judgedBy(watched),
    lastGood: relative(gap.before?.t, faultAt),
    firstGood: relative(gap.after?.t, faultAt),
    gap: Math.round(gap.ms),
    lost: due.length,
    unsent: Math.max(0, to - from - 1) - sent.frames.filter((frame) => frame > from && frame < to).length,
    doubled: doubled.length,
    firstDoubled: doubled[0],
    lostElsewhere: due.filter((frame) => !inGap(frame)),
    sessions: sessionsSince(history, watched.client, faultAt),
    closed: closedSince(history, watched.client, faultAt),
  };
}

function publisherCourse(history: History, watched: Watched, faultAt: number): Course {
  const { frames, at } = framesSent(history, watched.publisher);
  const arrivals = frames.map((frame, i) => ({ frame, t: at[i]! }));
  const gap = longestGap(arrivals, faultAt, endOf(history));
  const [from, to] = [gap.before?.frame, gap.after?.frame];
  return {
    ...judgedBy(watched),
    lastGood: relative(gap.before?.t, faultAt),
    firstGood: relative(gap.after?.t, faultAt),
    gap: Math.round(gap.ms),
    lost: 0,
    unsent: from === undefined || to === undefined ? 0 : Math.max(0, to - from - 1),
    doubled: 0,
    firstDoubled: undefined,
    lostElsewhere: [],
    sessions: sessionsSince(history, watched.client, faultAt),
    closed: closedSince(history, watched.client, faultAt),
  };
}

function judgedBy({ client, part, boundMs, since }: Watched) {
  return { client, part, bound: boundMs, since };
}

function relative(t: number | undefined, faultAt: number): number | null {
  return t === undefined ? null : Math.round(t - faultAt);
}

function endOf(history: History): number {
  return history.of('generator').at(-1)?.t ?? history.events.at(-1)?.t ?? 0;
}

/** Stamped frames of a publisher, whichever session sent them, in order, with their times. */
function framesSent(
  history: History,
  publisher: string,
): { stream: number | undefined; frames: number[]; at: number[] } {
  const sent = history.sent(publisher).filter(({ stamp }) => stamp !== null);
  return {
    stream: sent[0]?.stamp?.stream,
    frames: sent.map(({ stamp }) => stamp!.frame),
    at: sent.map(({ t }) => t),
  };
}

/**
 * Frames of a stream in the order in which a player got them. `fresh` are those that are newer than all before;
 * `doubled` those that are not, within one connection: a new one begins with the cached GOP.
 */
function arrivalsOf(
  history: History,
  client: string,
  stream: number | undefined,
): { fresh: Arrival[]; doubled: number[]; received: Set<number> } {
  const connections = history.of('client.attempt').filter((event) => event.client === client);
  const fresh: Arrival[] = [];
  const doubled: number[] = [];
  const received = new Set<number>();
  let newest = -1;
  let newestOfSession = -1;
  let session = 0;
  for (const { t, stamp } of history.got(client)) {
    if (stamp === null || stamp.stream !== stream) continue;
    while (session < connections.length && connections[session]!.t <= t) {
      session++;
      newestOfSession = -1;
    }
    received.add(stamp.frame);
    if (stamp.frame <= newestOfSession) doubled.push(stamp.frame);
    newestOfSession = Math.max(newestOfSession, stamp.frame);
    if (stamp.frame <= newest || !stamp.intact) continue;
    newest = stamp.frame;
    fresh.push({ t, frame: stamp.frame });
  }
  return { fresh, doubled, received };
}

interface Gap {
  readonly before: Arrival | undefined;
  readonly after: Arrival | undefined;
  readonly ms: number;
}

/** Between two frames, the later of which came after the fault; or from the last one to the end. */
function longestGap(fresh: readonly Arrival[], faultAt: number, end: number): Gap {
  let longest: Gap = { before: undefined, after: undefined, ms: 0 };
  for (const [i, after] of fresh.entries()) {
    if (after.t <= faultAt) continue;
    const before = fresh[i - 1];
    const ms = after.t - (before?.t ?? faultAt);
    if (ms > longest.ms) longest = { before, after, ms };
  }
  const last = fresh.at(-1);
  const open = end - (last?.t ?? faultAt);
  return open > longest.ms && open > LEAST_OPEN_GAP_MS
    ? { before: last, after: undefined, ms: open }
    : longest;
}

/** Between two frames, the later of which came after the fault, the one that lacks most. */
function widestHole(fresh: readonly Arrival[], faultAt: number): Gap {
  let widest: Gap = { before: undefined, after: undefined, ms: 0 };
  let missing = 0;
  for (const [i, after] of fresh.entries()) {
    const before = fresh[i - 1];
    if (after.t <= faultAt || before === undefined || after.frame - before.frame - 1 <= missing) continue;
    missing = after.frame - before.frame - 1;
    widest = { before, after, ms: after.t - before.t };
  }
  return widest;
}

function sessionsSince(history: History, client: string, faultAt: number): number {
  return history.of('client.attempt').filter((event) => event.client === client && event.t > faultAt).length;
}

function closedSince(
  history: History,
  client: string,
  faultAt: number,
): EventOf<'client.closed'> | undefined {
  return history
    .of('client.closed')
    .find((event) => event.client === client && event.reason !== 'local' && event.t >= faultAt);
}

/** Connections that nodes tried since the fault. */
function attemptsSince(
  history: History,
  nodes: readonly string[],
  faultAt: number,
): (EventOf<'tap.open'> | EventOf<'tap.refused'>)[] {
  return [...history.of('tap.open'), ...history.of('tap.refused')]
    .filter(({ t, from, carries = 'rtmp' }) => t >= faultAt && nodes.includes(from) && carries === 'rtmp')
    .sort((a, b) => a.t - b.t);
}

/** Most attempts of one node within a second. */
export function stormOf(
  history: History,
  { nodes }: StormBound,
  faultAt: number,
): { worst: number; node: string } {
  const times = new Map<string, number[]>();
  let storm = { worst: 0, node: '' };
  for (const { from, t } of attemptsSince(history, words(nodes), faultAt)) {
    const recent = [...(times.get(from) ?? []), t].filter((time) => time > t - STORM_WINDOW_MS);
    times.set(from, recent);
    if (recent.length > storm.worst) storm = { worst: recent.length, node: from };
  }
  return storm;
}

export function stormBoundIn(history: History, group: string): StormBound | undefined {
  return history
    .of('step')
    .filter(({ step, data }) => step === FailoverStep.storm && data.group === group)
    .at(-1)?.data as unknown as StormBound | undefined;
}

/** Undefined when there was no fault, or nobody was watched. */
export function timelineOf(history: History, group: string): FailoverTimeline | undefined {
  const [first, ...further] = faultsIn(history);
  const watched = watchedIn(history, group);
  if (first === undefined || watched.length === 0) return undefined;
  const faultAt = first.t;
  const cured = curedAt(history);
  const bound = stormBoundIn(history, group);
  const clients = watched.map((one) => {
    const { lostElsewhere: _, firstDoubled: __, closed: ___, ...told } = courseOf(history, one, faultAt);
    return told;
  });
  return {
    fault: nameOf(first),
    at: new Date(faultAt).toISOString(),
    cured: cured === undefined ? null : Math.round(cured - faultAt),
    marks: [
      ...further.map((fault) => ({ ms: Math.round(fault.t - faultAt), what: nameOf(fault) })),
      ...marksOfEncoders(history, faultAt),
    ].sort((a, b) => a.ms - b.ms),
    clients,
    gap: percentilesOf(clients.flatMap(({ part, gap }) => (part === 'publishes' ? [] : [gap]))),
    ...(bound === undefined
      ? {}
      : {
          connections: perSecond(history, bound, faultAt),
          storm: { ...stormOf(history, bound, faultAt), bound: bound.perSecond },
        }),
  };
}

/** Nearest rank: every figure is that of a client. */
function percentilesOf(gaps: readonly number[]): Distribution {
  const sorted = gaps.toSorted((a, b) => a - b);
  const at = (percent: number) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? null;
  return {
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: sorted.at(-1) ?? null,
    count: sorted.length,
  };
}

function marksOfEncoders(history: History, faultAt: number): { ms: number; what: string }[] {
  const encoders = new Set(history.of('publisher.sent').map(({ client }) => client));
  return history
    .of('client.state')
    .filter(({ client, state, t }) => t > faultAt && state === 'streaming' && encoders.has(client))
    .map(({ client, t }) => ({ ms: Math.round(t - faultAt), what: `${client} publishes again` }));
}

function perSecond(
  history: History,
  { nodes }: StormBound,
  faultAt: number,
): NonNullable<FailoverTimeline['connections']> {
  const seconds: { second: number; opened: number; refused: number }[] = [];
  for (const { t, type } of attemptsSince(history, words(nodes), faultAt)) {
    const second = Math.floor((t - faultAt) / 1000);
    while (seconds.length <= second) seconds.push({ second: seconds.length, opened: 0, refused: 0 });
    seconds[second]![type === 'tap.open' ? 'opened' : 'refused']++;
  }
  return seconds;
}
