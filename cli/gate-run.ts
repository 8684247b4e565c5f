/** What `gate` and `mutants` do alike: carry a plan out, tell what is found, write the report. */
import { join, relative } from 'node:path';
import type { Cluster } from '../lab/cluster.ts';
import { LabError } from '../lab/errors.ts';
import { STANDIN } from '../lab/runners/compose.ts';
import { collectEnvironment } from '../reports/environment.ts';
import { plural } from '../reports/format.ts';
import { type HistoryLine, HistoryWriter } from '../reports/history-writer.ts';
import { type Finding, type Results, worstVerdict } from '../reports/results.ts';
import type { ClusterFigures } from '../reports/results-clusters.ts';
import type { Bystander } from '../reports/results-mutants.ts';
import { writeRun } from '../reports/write.ts';
import { clusterFigures, figuresTogether } from '../scenarios/cluster-figures.ts';
import { randomSeed } from '../scenarios/context.ts';
import { UNSUPPORTED_PART } from '../scenarios/gate.ts';
import { GateHealthWatch } from '../scenarios/gate-health.ts';
import type { HistoryEvent } from '../scenarios/history.ts';
import type { LeftOut, Plan, PlannedRun } from '../scenarios/plan.ts';
import { runPlan } from '../scenarios/plan-run.ts';
import type { Attach } from '../scenarios/run.ts';
import { type ClusterOptions, repeatOf } from './gate-options.ts';
import { listenForInterrupt } from './interrupt.ts';
import { Pieces } from './jobs.ts';
import { goLive, type Live, type LiveArguments } from './live.ts';
import {
  ExitCode,
  exitCodeOfRun,
  makeRunDirectory,
  type Paint,
  painter,
  paintVerdict,
  shown,
} from './output.ts';
import { versionsOf } from './programs.ts';

/** Who looks on sees the links of the clusters that are up so often, in ms. */
const LOOK_EVERY_MS = 1000;

/** What differs between the commands that run checks. */
export interface Work {
  readonly plan: Plan;
  /** See PlanRun. Default 1. */
  readonly jobs?: number;
  /** Default runner `process`. */
  readonly attach?: Attach;
  /** For the report, beside those that a run makes by itself. */
  readonly notes?: readonly string[];
  /** Printed when a run begins. */
  heading?(run: PlannedRun): string;
  /** Printed for a finding. */
  line(finding: Finding, paint: Paint): string;
  /** A line of the history. */
  event(check: string, event: HistoryEvent, run: PlannedRun): HistoryLine;
}

/**
 * Makes the directory of the run, carries the plan out, and writes what was found, also when it is interrupted or a
 * cluster does not come up. Sets the exit code.
 */
export async function runAndReport(
  kind: 'gate' | 'mutants',
  options: ClusterOptions & LiveArguments,
  work: Work,
): Promise<Results> {
  let live: Live | undefined;
  const show = async (begun: Results): Promise<Live | undefined> => {
    live = await goLive(begun, options, process.stderr);
    return live;
  };
  try {
    return await carryOut(kind, options, work, show);
  } finally {
    await live?.close();
  }
}

async function carryOut(
  kind: 'gate' | 'mutants',
  options: ClusterOptions,
  work: Work,
  show: (begun: Results) => Promise<Live | undefined>,
): Promise<Results> {
  const startedAt = new Date();
  const began = performance.now();
  // In the order of the plan, whichever run ends first; those of no run come first.
  const findingsOf = new Map<PlannedRun | undefined, Finding[]>([[undefined, []]]);
  for (const run of work.plan.runs) findingsOf.set(run, []);
  const environment = collectEnvironment();
  const programs: Record<string, string> = {};
  const notes = new Set<string>(work.notes);
  const bystanders: Bystander[] = [];
  const health = new GateHealthWatch(options.maxCpuWait);
  const figures = new Map<PlannedRun, Map<Cluster, ClusterFigures>>();
  const clustersUp = new Map<Cluster, PlannedRun>();
  const measure = (cluster: Cluster, run: PlannedRun): void => {
    const known = figures.get(run) ?? new Map<Cluster, ClusterFigures>();
    figures.set(run, known.set(cluster, clusterFigures(cluster, run.checks)));
  };
  let interrupted = false;
  const resultsNow = (): Results => {
    const findings = [...findingsOf].flatMap(([run, found]) => inOrder(found, run));
    const clusters = work.plan.runs
      .flatMap((run) => figures.get(run) ?? [])
      .map((ofRun) => figuresTogether([...ofRun.values()]));
    return {
      schema: 'liveproof/results@1',
      kind,
      // Interrupted before anything was found: that is no error, and nobody can say.
      verdict:
        interrupted && findings.length === 0
          ? 'inconclusive'
          : worstVerdict(findings.map(({ verdict }) => verdict)),
      startedAt: startedAt.toISOString(),
      durationMs: Math.round(performance.now() - began),
      interrupted,
      ...(notes.size === 0 ? {} : { notes: [...notes] }),
      command: process.argv.slice(2),
      environment: { ...environment, programs: { ...programs } },
      findings,
      ...(bystanders.length === 0 ? {} : { bystanders: [...bystanders] }),
      ...(clusters.length === 0 ? {} : { clusters }),
      ...(health.figures === undefined ? {} : { health: health.figures }),
    };
  };
  const live = await show(resultsNow());
  const look = (): void => {
    for (const [cluster, run] of clustersUp) measure(cluster, run);
    live?.update(resultsNow());
  };
  const looking = live && setInterval(look, LOOK_EVERY_MS).unref();
  const directory = makeRunDirectory(kind, options.out, startedAt);
  const { seed = randomSeed() } = options;
  const history = new HistoryWriter(join(directory, 'history.ndjson'));
  const interruption = listenForInterrupt(() => history.closeNow());
  const paint = painter(process.stdout);
  const say = (line: string): boolean => process.stdout.write(`${line}\n`);
  let failure: Error | undefined;
  const pieces = new Pieces<PlannedRun | undefined>(say);
  const found = (finding: Finding, run?: PlannedRun): void => {
    findingsOf.get(run)?.push(finding);
    for (const { label, detail } of finding.evidence) {
      if (label === UNSUPPORTED_PART)
        notes.add(`${finding.check} of ${finding.engine}, unsupported: ${detail}`);
    }
    pieces.tell(run, work.line(finding, paint));
    if (live !== undefined) look();
  };
  for (const topology of work.plan.leftOut) {
    if (options.topology.includes(topology.topology.name)) found(cannotRun(topology));
    else notes.add(noteOf(topology));
  }
  for (const note of notes) say(`${paint('yellow', 'note')}  ${note}`);
  await runPlan({
    runs: work.plan.runs,
    runDir: join(directory, 'cluster'),
    signal: interruption.signal,
    ...(options.srs === undefined ? {} : { srsPath: options.srs }),
    ...(options.proxy === undefined ? {} : { proxyPath: options.proxy }),
    openUdp: options.openUdp === true,
    ...(options.basePort === undefined ? {} : { basePort: options.basePort }),
    jobs: work.jobs ?? 1,
    seed,
    ...(options.maxCpuWait === undefined ? {} : { maxWaitMs: options.maxCpuWait }),
    evidence: {
      directory,
      lines: () => history.lines,
      repeat: (finding) => repeatOf(kind, options, seed, finding),
    },
    ...(work.attach === undefined ? {} : { attach: work.attach }),
    onStart(run) {
      pieces.begin(run);
      const heading = work.heading?.(run);
      if (heading !== undefined) pieces.tell(run, heading);
    },
    onEnd: (run) => pieces.end(run),
    async onUp(cluster, run, { nth, afterMs }) {
      const { topology, engine, mutant } = run;
      if (mutant !== undefined) return;
      clustersUp.set(cluster, run);
      const versions = await versionsOf(cluster);
      Object.assign(programs, versions);
      for (const [image, version] of Object.entries(versions)) {
        if (version.startsWith(STANDIN))
          notes.add(`${image} is a ${version}: nothing is proven of the real one`);
      }
      const which = nth === 1 ? '' : `, cluster ${nth} beside it,`;
      pieces.tell(run, `${topology.name} of ${engine}${which} is up after ${(afterMs / 1000).toFixed(1)} s`);
    },
    onChecked(cluster, run) {
      clustersUp.delete(cluster);
      if (run.mutant === undefined) measure(cluster, run);
    },
    onFinding: found,
    onBystander({ check, topology, engine, verdict }, { mutant }) {
      if (mutant !== undefined) bystanders.push({ check, topology, engine, mutant, verdict });
    },
    onEvent(check, event, run) {
      const { topology, engine, mutant } = run;
      health.see(event, { check, topology: topology.name, engine, ...(mutant !== undefined && { mutant }) });
      try {
        history.append(work.event(check, event, run));
      } catch {
        // The disk refused: `close` says so. The checks have events of their own, and go on.
      }
    },
    onFailure(error, run) {
      failure ??= error;
      found(notUp(run, error), run);
    },
  });
  clearInterval(looking);
  interrupted = interruption.signal.aborted;
  const written = await history.close().catch((error: Error) => {
    const note = `history.ndjson is not whole: ${error.message}`;
    notes.add(note);
    say(`${paint('yellow', 'note')}  ${note}`);
    return undefined;
  });
  const results = resultsNow();
  const { findings } = results;
  const total = `${plural(findings.length, 'finding')} in ${(results.durationMs / 1000).toFixed(1)} s`;
  say(`\n${paintVerdict(paint, results.verdict)}: ${total}${interrupted ? ', interrupted' : ''}`);
  await writeRun(directory, results, written === undefined ? {} : { history: written });
  await live?.finish(results);
  say(relative(process.cwd(), join(directory, 'report.html')));
  interruption.release();
  process.exitCode = exitCodeOfRun(results);
  if (failure !== undefined && !interrupted) throw failure;
  if (work.plan.runs.length === 0 && findings.length === 0) process.exitCode = ExitCode.labNotUp;
  return results;
}

function noteOf({ topology, reason }: LeftOut): string {
  return `${topology.name} is left out: ${reason}`;
}

/** A topology that was asked for by name. */
function cannotRun({ topology, engine, reason }: LeftOut): Finding {
  return {
    check: 'lab/up',
    topology: topology.name,
    engine,
    verdict: 'unsupported',
    expected: 'the cluster can be brought up on this machine',
    actual: reason,
    evidence: [],
    durationMs: 0,
  };
}

/** As the run has its checks, whichever of its clusters ended one first; what the lab says comes before. */
function inOrder(findings: readonly Finding[], run: PlannedRun | undefined): Finding[] {
  const places = new Map(run?.checks.map(({ id }, place) => [id, place]));
  const placeOf = ({ check }: Finding): number => places.get(check) ?? -1;
  return findings.toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** So that the report says, too, why there is nothing in it. */
function notUp({ topology, engine, mutant }: PlannedRun, failure: Error): Finding {
  return {
    check: 'lab/up',
    topology: topology.name,
    engine,
    ...(mutant === undefined ? {} : { mutant }),
    verdict: 'error',
    expected: 'the cluster comes up, and stays up as long as checks run',
    actual: failure.message,
    evidence: failure instanceof LabError ? failure.log.map((detail) => ({ label: 'log', detail })) : [],
    durationMs: 0,
  };
}

const VERDICT_WIDTH = 'inconclusive'.length;

export function verdictCell(paint: Paint, { verdict }: Finding): string {
  return paintVerdict(paint, verdict) + ' '.repeat(VERDICT_WIDTH - verdict.length);
}

/** For a finding that is not what it should be. */
export function detailOf({ expected, actual }: Finding): string {
  return `\n    expected  ${shown(expected)}\n    actual    ${shown(actual)}`;
}
