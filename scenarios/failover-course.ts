/** What became of one client of a check of a fault: its gap, what it lost, what came twice. Read from the history alone. */
import type { FailoverClient } from '../reports/results.ts';
import { TWO_HOPS_MS } from './bounds.ts';
import type { Watched } from './failover-steps.ts';
import type { EventOf, History } from './history.ts';

/** What is at the end of a history is a gap only when it is longer than what lies between two frames anyhow. */
const LEAST_OPEN_GAP_MS = TWO_HOPS_MS;

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

/**
 * Counts the frames that a client got, or an encoder sent, that were sent after a moment and are newer than all before: a
 * segment of before a fault may be loaded after it, and says nothing of what the cluster does now.
 */
export class NewFrames {
  readonly #history: History;
  readonly #client: string;
  readonly #publisher: string;
  readonly #sinceAt: number;
  #nextSent = 0;
  #nextGot = 0;
  #newest = -1;
  #count = 0;
  #firstAt: number | undefined;

  /** @param sinceAt epoch ms. */
  constructor(history: History, { client, publisher }: Watched, sinceAt: number) {
    this.#history = history;
    this.#client = client;
    this.#publisher = publisher;
    this.#sinceAt = sinceAt;
  }

  get count(): number {
    const firstDue = this.#firstDue();
    if (firstDue === undefined) return 0;
    const events = this.#history.of(this.#client === this.#publisher ? 'publisher.sent' : 'player.got');
    for (; this.#nextGot < events.length; this.#nextGot++) {
      const { t, client, stamp } = events[this.#nextGot]!;
      if (client !== this.#client || stamp === null || stamp.frame <= this.#newest) continue;
      this.#newest = stamp.frame;
      if (stamp.frame < firstDue) continue;
      this.#count++;
      this.#firstAt ??= t;
    }
    return this.#count;
  }

  /** When the first of those that are counted came; undefined while none was. */
  get firstAt(): number | undefined {
    return this.count > 0 ? this.#firstAt : undefined;
  }

  /** By how much the client was behind at the moment: how long ago the newest frame that it had was sent, in ms; 0 when it had none. */
  get behindMs(): number {
    const had = this.#history
      .got(this.#client)
      .findLast(({ t, stamp }) => t <= this.#sinceAt && stamp !== null);
    return had === undefined ? 0 : Math.max(0, this.#sinceAt - had.stamp!.sentAt);
  }

  /** The first frame that was sent after the moment; undefined while none was. */
  #firstDue(): number | undefined {
    const sent = this.#history.of('publisher.sent');
    for (; this.#nextSent < sent.length; this.#nextSent++) {
      const { client, stamp, t } = sent[this.#nextSent]!;
      if (client === this.#publisher && stamp !== null && t > this.#sinceAt) return stamp.frame;
    }
    return undefined;
  }
}

/**
 * For how long a client was without a new frame at the most, counted from a moment on, in ms: not only in its longest gap,
 * most of which may lie before. Null where nothing is known of it since. @param sinceAt epoch ms.
 */
export function waitedSince(history: History, watched: Watched, sinceAt: number): number | null {
  const times = arrivalTimes(history, watched);
  const waits = times.flatMap((t, i) =>
    t > sinceAt ? [t - Math.max(sinceAt, times[i - 1] ?? sinceAt)] : [],
  );
  const open = endOf(history) - Math.max(sinceAt, times.at(-1) ?? sinceAt);
  if (open > LEAST_OPEN_GAP_MS) waits.push(open);
  return waits.length === 0 ? null : Math.max(...waits);
}

function arrivalTimes(history: History, { client, publisher }: Watched): number[] {
  const { stream, at } = framesSent(history, publisher);
  return client === publisher ? at : arrivalsOf(history, client, stream).fresh.map(({ t }) => t);
}

/** Frames that a client got and that are of another stream than its publisher's. */
export function strangersTo(history: History, { client, publisher }: Watched): EventOf<'player.got'>[] {
  const { stream } = framesSent(history, publisher);
  if (stream === undefined) return [];
  return history.got(client).filter(({ stamp }) => stamp !== null && stamp.stream !== stream);
}

interface Arrival {
  readonly t: number;
  readonly frame: number;
  /** Of a player, counted from its first connection; a publisher has one. */
  readonly session: number;
}

function playerCourse(history: History, watched: Watched, faultAt: number): Course {
  const sent = framesSent(history, watched.publisher);
  const { fresh, doubled, received } = arrivalsOf(history, watched.client, sent.stream);
  const gap = longestGap(fresh, faultAt, endOf(history));
  // A quick return may miss more than the longest wait between two frames does, and each return something.
  const excused = [gap, widestHole(fresh, faultAt), ...returnsOf(fresh, faultAt)];
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
  const arrivals = frames.map((frame, i) => ({ frame, t: at[i]!, session: 0 }));
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

/** Of the observation: where it was another check's, this one was over later. */
function endOf(history: History): number {
  return history.of('generator')[0]?.t ?? history.events.at(-1)?.t ?? 0;
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
    if (stamp.intact) received.add(stamp.frame);
    if (stamp.frame <= newestOfSession) doubled.push(stamp.frame);
    newestOfSession = Math.max(newestOfSession, stamp.frame);
    if (stamp.frame <= newest || !stamp.intact) continue;
    newest = stamp.frame;
    fresh.push({ t, frame: stamp.frame, session });
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

/** What lies between the last frame of a connection and the first of the next: a return is its own gap. */
function returnsOf(fresh: readonly Arrival[], faultAt: number): Gap[] {
  return fresh.flatMap((after, i) => {
    const before = fresh[i - 1];
    if (before === undefined || after.t <= faultAt || after.session === before.session) return [];
    return [{ before, after, ms: after.t - before.t }];
  });
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
