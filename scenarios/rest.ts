/** Between two checks: every node lives, nothing of the check before is left, origins are registered. */
import type { Cluster, Tap } from '../lab/cluster.ts';
import { LabError, LabErrorCode } from '../lab/errors.ts';

/**
 * Until no edge holds an upstream connection. SRS lets go within 1 s of the last player, under load 2 s
 * (facts/srs.md 1.2); the rest is for a busy machine.
 */
const REST_MS = 5000;

export interface RestRequest {
  readonly cluster: Cluster;
  /** See GateRequest. */
  readonly unrest?: 'error' | 'restart';
  readonly restMs?: number;
  readonly signal: AbortSignal;
}

export interface Obstacle {
  readonly expected: string;
  readonly actual: string;
}

/** What is known of the checks before. */
export interface Leftovers {
  /** Nodes that have ended for a reason that is known: a check put them down, or was told that they had died. */
  readonly down: Set<string>;
  /** What broke servers was sent, and did not do without harm. Who lives through that need not be whole. */
  harmed: boolean;
}

/**
 * Brings every node back to life and waits until no upstream is open and every origin that registers has done so again.
 * Resolves with what keeps the check from starting.
 * @param left nothing is, afterwards.
 */
export async function restore(request: RestRequest, left: Leftovers): Promise<Obstacle | undefined> {
  const { cluster, signal, restMs = REST_MS } = request;
  const { down } = left;
  const obstacle = await heal(cluster, left);
  if (obstacle !== undefined) return obstacle;
  for (const node of cluster.nodes.values()) if (node.state === 'frozen') await node.thaw();
  const quiet = await atRest(cluster, restMs, signal);
  const died: string[] = [];
  for (const [name, node] of cluster.nodes) {
    if (node.state !== 'exited') continue;
    try {
      await node.restart();
    } catch (error) {
      return notStarted(name, error);
    }
    if (!down.has(name)) died.push(name);
  }
  down.clear();
  if (died.length > 0) {
    const actual = `${died.join(', ')} ended after the check before and was started again`;
    return { expected: 'nodes that go on running between two checks', actual };
  }
  const unrest = quiet ? undefined : await endUpstreams(request, restMs);
  return unrest ?? (await awaitRegistrations(request, restMs));
}

/**
 * After harm every node starts anew that can be started: those of somebody else stay as they are. Resolves with what
 * keeps one from it.
 */
export async function heal({ nodes }: Cluster, left: Leftovers): Promise<Obstacle | undefined> {
  if (!left.harmed) return undefined;
  for (const [name, node] of nodes) {
    try {
      if (node.state === 'frozen') await node.thaw();
      await node.restart();
    } catch (error) {
      if (!(error instanceof LabError && error.code === LabErrorCode.Absent)) return notStarted(name, error);
    }
  }
  left.harmed = false;
  return undefined;
}

function notStarted(name: string, error: unknown): Obstacle {
  return {
    expected: `${name} starts again`,
    actual: error instanceof Error ? error.message : String(error),
  };
}

/** Whatever comes next, it is not to be judged by what an earlier check left behind. */
async function endUpstreams(
  { cluster, signal, unrest }: RestRequest,
  restMs: number,
): Promise<Obstacle | undefined> {
  const busy = liveLinks(cluster).filter((tap) => tap.open > 0);
  const open = busy.map((tap) => `${tap.name}: ${tap.open} open`).join(', ');
  if (signal.aborted) return undefined;
  for (const name of new Set(busy.flatMap((tap) => holdersOf(tap, cluster)))) {
    await cluster.nodes.get(name)?.restart();
  }
  const rested = await atRest(cluster, restMs, signal);
  if (rested && unrest === 'restart') return undefined;
  return {
    expected: `no upstream connection open ${restMs} ms after the last player of the check before`,
    actual: open + (rested ? '; those who held them were restarted' : ''),
  };
}

/** A check may have put down the proxy that an origin was known to, or the origin. */
async function awaitRegistrations(
  { cluster, signal, unrest }: RestRequest,
  restMs: number,
): Promise<Obstacle | undefined> {
  const heartbeats = cluster.taps.filter(({ carries }) => carries === 'system');
  const answered = await Promise.all(heartbeats.map((tap) => answersAgain(tap, restMs, signal)));
  const missing = heartbeats.filter((_, at) => !answered[at]);
  // A mutant's very defect may be that it does not register.
  if (missing.length === 0 || unrest === 'restart' || signal.aborted) return undefined;
  return {
    expected: `every origin registers again within ${restMs} ms`,
    actual: missing.map(({ name }) => `${name}: no heartbeat was answered`).join(', '),
  };
}

/** Resolves with whether something was answered on the link from now on. */
function answersAgain(tap: Tap, withinMs: number, signal: AbortSignal): Promise<boolean> {
  const before = tap.bytesDown;
  return settled([tap], () => tap.bytesDown > before, withinMs, signal);
}

/** Whose connections these are: those through a balancer are of the nodes behind it. */
function holdersOf({ from }: Tap, { nodes }: Cluster): readonly string[] {
  const spec = nodes.get(from)?.spec;
  return spec?.role === 'balancer' ? spec.upstreams : [from];
}

/**
 * Taps on links that carry streams from node to node. An Nginx keeps its connections to its upstreams for the next
 * request, and so may whoever asks an API.
 */
function liveLinks({ taps }: Cluster): Tap[] {
  return taps.filter(({ carries }) => carries === 'rtmp');
}

/** Resolves with whether no live link has a connection open, at the latest after `withinMs`. */
function atRest(cluster: Cluster, withinMs: number, signal: AbortSignal): Promise<boolean> {
  const links = liveLinks(cluster);
  return settled(links, () => links.every((tap) => tap.open === 0), withinMs, signal);
}

/** Asked now and after every event of the taps; resolves with the last answer when time is over. */
function settled(
  taps: readonly Tap[],
  holds: () => boolean,
  withinMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const ends: (() => void)[] = [];
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', settle);
      for (const end of ends) end();
      resolve(holds());
    };
    const timer = setTimeout(settle, withinMs);
    signal.addEventListener('abort', settle, { once: true });
    for (const tap of taps) ends.push(tap.subscribe(() => holds() && settle()));
    if (holds() || signal.aborted) settle();
  });
}
