/** Runs checks, one after the other, on a running cluster, and lets their judges speak. */
import { setMaxListeners } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type WallClock, wallClock } from '../drivers/measure/clock.ts';
import type { MutantId } from '../lab/builtin/mutants.ts';
import type { Capability, Cluster, ClusterNode, TapEvent } from '../lab/cluster.ts';
import { LabError, LabErrorCode } from '../lab/errors.ts';
import {
  type Evidence,
  type FailoverTimeline,
  type Finding,
  VERDICTS,
  type Verdict,
} from '../reports/results.ts';
import { type Check, type Judgement, NotObservedError } from './check.ts';
import { GateContext } from './context.ts';
import { History, type HistoryEvent } from './history.ts';
import { Machine } from './machine.ts';
import { heal, type Leftovers, restore } from './rest.ts';
import { forgetObservations } from './shared-observation.ts';
import type { Stage } from './stage.ts';
import { type CpuSource, CpuWatch, cpuSourceOf, unlessStarved } from './starvation.ts';
import type { WireTape } from './wire-tape.ts';

/**
 * How often a check is asked at the most when others had the CPUs while it failed, this process itself was held up for too
 * long, or the clock was set while it ran: that says nothing about the cluster, and what is asked again is told. Any other
 * verdict stands.
 */
const ASKED = 3;
/** For `run` of a check that names no deadline of its own. */
export const DEADLINE_MS = 15_000;
/** For what a check leaves behind. */
const TAKE_DOWN_MS = 5000;
const LOOP_RESOLUTION_MS = 10;
/** A process that has closed its sockets is about to be gone; a core may be written first. */
const GONE_WITHIN_MS = 2000;
const SHOWN_AWAITED = 3;
/** After any other verdict of a check that disrupts, the nodes are started anew before they are asked anything else. */
const HARMLESS: readonly Verdict[] = ['pass', 'unsupported'];
/** Evidence of a finding for what its engine documents as absent. */
export const UNSUPPORTED_PART = 'unsupported';
const CLOCK_JUMPED = {
  expected: 'a clock that goes on while the check runs',
  actual: 'the clock of this machine was set meanwhile',
};
const INTERRUPTED = { expected: 'the check runs to its end', actual: 'interrupted' };

export interface GateRequest {
  /** Each is taken when the one before it has ended. */
  readonly checks: Iterable<Check>;
  readonly cluster: Cluster;
  readonly stage: Stage;
  /** The mutant that the cluster was started with. */
  readonly mutant?: MutantId;
  /**
   * What becomes of a check that finds upstream connections of the one before it: `error`, or `restart` the edges
   * and run it, for mutants whose very defect is that they never let go. Default `error`.
   */
  readonly unrest?: 'error' | 'restart';
  /** How long the upstream connections of one check may last until the next. Default 5 s. */
  readonly restMs?: number;
  /** Shared with what runs side by side. Default none does. */
  readonly machine?: Machine;
  /** See GateContext. Default another one for every check. */
  readonly seed?: number;
  /** Default that of this machine. */
  readonly cpu?: CpuSource;
  /** How long others may keep the worst process from running, within a second. Default MAX_WAIT_MS of starvation.ts. */
  readonly maxWaitMs?: number;
  /** Default this process's. */
  readonly clock?: Pick<WallClock, 'check' | 'jumps'>;
  readonly signal: AbortSignal;
  readonly onStart?: (check: Check) => void;
  readonly onFinding?: (finding: Finding) => void;
  /** What the clients of a check sent and got first and last, before its finding. */
  readonly onTapes?: (tapes: ReadonlyMap<string, WireTape>) => void;
  /** Every event of every check, as it happens. */
  readonly onEvent?: (check: string, event: HistoryEvent) => void;
}

/** The check's time was up before `run` ended. */
class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * Resolves with one finding per check, in order; after an abort of `signal`, with those of the checks that were
 * begun.
 */
export async function runGate(request: GateRequest): Promise<Finding[]> {
  const findings: Finding[] = [];
  const left: Leftovers = { down: new Set(), harmed: false };
  const { machine = new Machine() } = request;
  const ask = async (check: Check, askedBefore: number): Promise<Outcome> => {
    const outcome = await judgeOne(check, request, left, askedBefore);
    if (check.disrupts !== undefined && !HARMLESS.includes(outcome.verdict)) left.harmed = true;
    return outcome;
  };
  const runOne = async (check: Check): Promise<void> => {
    if (request.signal.aborted) return;
    request.onStart?.(check);
    const started = performance.now();
    let outcome = await ask(check, 0);
    const before: Evidence[] = [];
    while (saysNothing(outcome) && before.length < ASKED - 1 && !request.signal.aborted) {
      before.push({ label: 'asked again', detail: outcome.actual });
      forgetObservations(request.cluster);
      outcome = await ask(check, before.length);
    }
    outcome = { ...outcome, evidence: [...outcome.evidence, ...before] };
    const { ours: _, ...found } = outcome;
    const finding = {
      ...findingOf(check, request.cluster, found),
      ...(request.mutant === undefined ? {} : { mutant: request.mutant }),
      durationMs: Math.round(performance.now() - started),
    };
    findings.push(finding);
    request.onFinding?.(finding);
    // At once: what is broken may take a whole CPU. What keeps a node from it is told by the next check.
    await heal(request.cluster, left);
  };
  const checks = request.checks[Symbol.iterator]();
  let next = checks.next();
  const runNext = async (): Promise<void> => {
    await runOne(next.value);
    next = checks.next();
  };
  while (!next.done && !request.signal.aborted) {
    if (!next.value.alone) await machine.beside(runNext);
    else {
      // Those in a row keep the machine: in between nobody begins what they would have to wait for.
      await machine.alone(async () => {
        while (!next.done && next.value.alone && !request.signal.aborted) await runNext();
      });
    }
  }
  return findings;
}

type Outcome = Pick<Finding, 'verdict' | 'expected' | 'actual' | 'evidence' | 'timeline' | 'starvation'> &
  Pick<Judgement, 'ours'>;

function saysNothing({ starvation, ours, actual }: Outcome): boolean {
  return starvation !== undefined || ours === true || actual === CLOCK_JUMPED.actual;
}

async function judgeOne(
  check: Check,
  request: GateRequest,
  left: Leftovers,
  askedBefore: number,
): Promise<Outcome> {
  const { cluster } = request;
  const missing = check.needs.filter((capability) => !cluster.capabilities.has(capability));
  if (missing.length > 0) return unsupported(missing, cluster);
  if (check.disrupts !== undefined && cluster.protectedBy !== undefined) {
    return absent(
      'a cluster that may be disrupted',
      `the check ${check.disrupts}, and ${cluster.protectedBy}`,
    );
  }

  const history = new History();
  history.subscribe((event) => request.onEvent?.(check.id, event));

  const watch = new CpuWatch(request.cpu ?? cpuSourceOf(cluster));
  const unrest = await restore(request, left);
  const before = watch.end();
  if (request.signal.aborted) return { verdict: 'inconclusive', ...INTERRUPTED, evidence: [] };
  const { maxWaitMs } = request;
  if (unrest !== undefined)
    return unlessStarved({ verdict: 'error', ...unrest, evidence: [] }, [before], maxWaitMs);

  const ending = await drive(check, request, history, askedBefore);
  for (const [name, node] of cluster.nodes) if (node.state === 'exited') left.down.add(name);
  const { error } = ending;
  if (error instanceof LabError && error.code === LabErrorCode.Absent && ending.dead.length === 0) {
    return absent('a cluster in which there is all that the check needs', error.message);
  }
  if (error !== undefined && ending.dead.length === 0) {
    const outcome: Outcome = {
      verdict: 'error',
      expected: 'the check runs to its end',
      actual: messageOf(error),
      evidence: [{ label: 'stack', detail: stackOf(error) }],
    };
    return unlessStarved(outcome, history.of('machine'), maxWaitMs);
  }
  try {
    const timeline = check.timeline?.(history);
    if (timeline !== undefined) recordGaps(history, timeline);
    const outcome = verdictOf(check.judge(history), history, ending);
    return timeline === undefined ? outcome : { ...outcome, timeline };
  } catch (error) {
    return {
      verdict: 'error',
      expected: 'the judge reads the history',
      actual: messageOf(error),
      evidence: [{ label: 'stack', detail: stackOf(error) }],
    };
  }
}

function recordGaps(history: History, { at, clients }: FailoverTimeline): void {
  const faultAt = Date.parse(at);
  const t = wallClock.now();
  for (const { client, lastGood, firstGood, gap } of clients) {
    const epoch = (ms: number | null) => (ms === null ? null : faultAt + ms);
    const [lastAt, firstAt] = [epoch(lastGood), epoch(firstGood)];
    history.append({ t, type: 'client.gap', client, lastAt, firstAt, ms: gap });
  }
}

interface Ending {
  /** `run` or its taking down threw something that says nothing about the cluster. */
  error?: unknown;
  /** The deadline came; what was awaited. */
  overdue?: { withinMs: number; awaited: readonly string[] };
  interrupted: boolean;
  /** The system's clock was set meanwhile: no time in the history can be held against another. */
  clockJumped: boolean;
  /** Nodes whose process ended without the check's doing. */
  dead: string[];
  /** See GateRequest. */
  readonly maxWaitMs: number | undefined;
}

async function drive(
  check: Check,
  request: GateRequest,
  history: History,
  askedBefore: number,
): Promise<Ending> {
  const { cluster, stage, signal, clock = wallClock } = request;
  const { maxWaitMs } = request;
  const ending: Ending = { interrupted: false, clockJumped: false, dead: [], maxWaitMs };
  clock.check();
  const jumpsBefore = clock.jumps;
  const abort = new AbortController();
  // One for everything that a check waits for at a time.
  setMaxListeners(0, abort.signal);
  const onAbort = () => abort.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const withinMs = check.deadlineMs ?? DEADLINE_MS;
  const timer = setTimeout(() => abort.abort(new DeadlineError()), withinMs);
  const context = new GateContext(check, cluster, history, stage, abort.signal, request.seed, askedBefore);
  const pids = new Map([...cluster.nodes].map(([name, node]) => [name, node.pid]));
  const endTaps = cluster.taps.map((tap) => tap.subscribe((event) => recordTap(history, tap.from, event)));
  const aborted = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true });
  });
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const watch = new CpuWatch(request.cpu ?? cpuSourceOf(cluster));
  const running = check.run(context);
  try {
    await Promise.race([running, aborted]);
  } catch (error) {
    if (signal.aborted) ending.interrupted = true;
    else if (error instanceof DeadlineError) ending.overdue = { withinMs, awaited: context.awaited };
    else if (!(error instanceof NotObservedError)) ending.error = error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    if (!abort.signal.aborted) abort.abort(new Error('the check is over'));
    running.catch(() => {});
    aborted.catch(() => {});
    loop.disable();
    clock.check();
    ending.clockJumped = clock.jumps > jumpsBefore;
    const loopLagMs = Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS);
    history.append({ t: wallClock.now(), type: 'generator', loopLagMs });
    history.append({ t: wallClock.now(), type: 'machine', ...watch.end() });
  }

  // Upstreams that close from here on were closed by the gate.
  for (const end of endTaps) end();
  try {
    await bounded(context.takeDown(), TAKE_DOWN_MS, 'what the check had opened was closed');
  } catch (error) {
    ending.error ??= error;
  }
  request.onTapes?.(context.tapes);
  if (!ending.interrupted) {
    const nodes = [...cluster.nodes].filter(([name]) => !context.controlled.has(name));
    const lives = await Promise.all(nodes.map(([name, node]) => livesOn(cluster, node, pids.get(name))));
    ending.dead.push(...nodes.filter((_, i) => !lives[i]).map(([name]) => name));
    for (const node of ending.dead) history.append({ t: wallClock.now(), type: 'node.exit', node });
  }
  return ending;
}

/**
 * Whether a node is the process that it was, after everything that the check did to it, its leaving included. A node
 * that answers has lived through that; one that does not may be about to end, which is then this check's doing and
 * not the next one's.
 */
async function livesOn(cluster: Cluster, node: ClusterNode, pid: number | undefined): Promise<boolean> {
  if (node.state === 'exited' || node.pid !== pid) return false;
  const { role } = node.spec;
  const answers =
    role !== 'balancer' &&
    role !== 'web' &&
    role !== 'redis' &&
    cluster.capabilities.has('observe.api') &&
    node.ports.api !== undefined;
  if (!answers || node.state === 'frozen') return !(await node.ended(0));
  const answer = cluster
    .api(node.spec.name)
    .versions()
    .then(
      () => true,
      () => false,
    );
  return (await answer) || !(await node.ended(GONE_WITHIN_MS));
}

function recordTap(history: History, from: string, event: TapEvent): void {
  const { tap, carries, type, connection, open, request } = event;
  const t = wallClock.now();
  if (type !== 'request') history.append({ t, type: `tap.${type}`, tap, from, carries, connection, open });
  else if (request !== undefined) history.append({ t, type: 'tap.request', tap, from, carries, ...request });
}

/** The verdict of a history that the judge has read; the rules of docs/architecture.md. */
function verdictOf(judgements: readonly Judgement[], history: History, ending: Ending): Outcome {
  const absent = judgements.filter(({ verdict }) => verdict === 'unsupported');
  if (absent.length > 0 && absent.length < judgements.length) {
    const rest = judgements.filter(({ verdict }) => verdict !== 'unsupported');
    const outcome = verdictOf(rest, history, ending);
    const parts = absent.map(({ expected, actual }) => ({
      label: UNSUPPORTED_PART,
      detail: `${expected}: ${actual}`,
    }));
    return { ...outcome, evidence: [...outcome.evidence, ...parts] };
  }
  const all: (Omit<Judgement, 'verdict'> & { verdict: Verdict })[] = ending.clockJumped
    ? [{ verdict: 'inconclusive', ...CLOCK_JUMPED }]
    : [...(ending.interrupted ? judgements.map(soFar) : judgements)];
  for (const name of ending.dead) {
    all.push({ verdict: 'fail', expected: `${name} goes on running`, actual: `its process ended` });
  }
  if (judgements.length === 0) {
    all.push({ verdict: 'inconclusive', expected: 'a judgement', actual: 'vacuous: nothing was judged' });
  }
  const failed = all.some(({ verdict }) => verdict === 'fail');
  if (ending.interrupted && !failed) {
    all.push({ verdict: 'inconclusive', ...INTERRUPTED });
  }
  if (ending.overdue && !failed) {
    const { withinMs, awaited } = ending.overdue;
    const what = awaited.slice(0, SHOWN_AWAITED).join('; ') || 'nothing that it names';
    all.push({
      verdict: 'error',
      expected: `the check ends within ${withinMs} ms`,
      actual: `still waiting for: ${what}`,
    });
  }
  const unseen = history.of('not-observed');
  if (unseen.length > 0 && all.every(({ verdict }) => verdict === 'pass')) {
    all.push({
      verdict: 'inconclusive',
      expected: `${unseen[0]!.what} within ${unseen[0]!.withinMs} ms`,
      actual: 'not observed, so that the check could not go on',
    });
  }
  const outcome = sum(all, history);
  // Nobody dies of waiting.
  return ending.dead.length > 0 ? outcome : unlessStarved(outcome, history.of('machine'), ending.maxWaitMs);
}

/** To a judge, what has not come yet when a check is interrupted looks like what never comes. */
function soFar(judgement: Judgement): Judgement {
  if (judgement.verdict !== 'fail') return judgement;
  return { ...judgement, verdict: 'inconclusive', actual: `${judgement.actual}, so far` };
}

function sum(all: readonly (Omit<Judgement, 'verdict'> & { verdict: Verdict })[], history: History): Outcome {
  const worst = VERDICTS[Math.max(...all.map(({ verdict }) => VERDICTS.indexOf(verdict)))]!;
  const decisive = all.filter(({ verdict }) => verdict === worst);
  const evidence: Evidence[] = decisive.flatMap((judgement) => judgement.evidence ?? []);
  if (worst !== 'pass') {
    for (const { what, withinMs } of history.of('not-observed')) {
      evidence.push({ label: 'not observed', detail: `${what} within ${withinMs} ms` });
    }
  }
  return {
    verdict: worst,
    expected: decisive.map(({ expected }) => expected).join('; '),
    actual: decisive.map(({ actual }) => actual).join('; '),
    evidence,
    ...(worst === 'inconclusive' && decisive.some(({ ours }) => ours) ? { ours: true } : {}),
  };
}

function unsupported(missing: readonly Capability[], { lacks }: Cluster): Outcome {
  const reasons = new Set(missing.flatMap((capability) => lacks?.get(capability) ?? []));
  const actual = reasons.size === 0 ? 'it cannot' : [...reasons].join('; ');
  return absent(`a cluster that can ${missing.join(', ')}`, actual);
}

function absent(expected: string, actual: string): Outcome {
  return { verdict: 'unsupported', expected, actual, evidence: [] };
}

export function findingOf(
  check: Check,
  cluster: Pick<Cluster, 'topology' | 'engine'>,
  outcome: Outcome,
): Omit<Finding, 'durationMs'> {
  return {
    check: check.id,
    title: check.title,
    level: check.level,
    spec: check.spec,
    topology: cluster.topology.name,
    engine: cluster.engine,
    ...outcome,
  };
}

async function bounded<T>(promise: Promise<T>, withinMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not within ${withinMs} ms: ${what}`)), withinMs);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
