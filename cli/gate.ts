/** `liveproof gate`: brings a cluster up, runs the checks, judges, takes it down, writes the report. */
import type { Command } from 'commander';
import { requireProfile, startCompose } from '../lab/runners/compose.ts';
import { findDocker } from '../lab/runners/docker.ts';
import { usualEngine } from '../lab/runners/external.ts';
import { topologyByName } from '../lab/topologies/index.ts';
import type { Finding } from '../reports/results.ts';
import type { Check } from '../scenarios/check.ts';
import { CHECKS } from '../scenarios/conformance/index.ts';
import type { HistoryEvent } from '../scenarios/history.ts';
import { type PlannedRun, planGate } from '../scenarios/plan.ts';
import { selectChecks } from '../scenarios/select.ts';
import {
  addClusterOptions,
  type GateOptions,
  planRequest,
  proxyOption,
  refuseLabOptions,
  refuseProcessOptions,
  refuseSrsWithoutProgram,
  refuseTargetOptions,
  runnerOption,
  seedOption,
} from './gate-options.ts';
import { detailOf, runAndReport, verdictCell, type Work } from './gate-run.ts';
import { attachTarget, noteOfTarget, targetOf } from './gate-target.ts';
import { HEALTHY_JOBS, jobsOption } from './jobs.ts';
import { requireImages } from './lab-compose.ts';
import { addLiveOptions } from './live.ts';
import { type Paint, painter, printable, table, UsageError } from './output.ts';
import { allowHostsOption } from './target.ts';

export function register(program: Command): void {
  const command = addClusterOptions(
    program
      .command('gate')
      .description('Do clusters behave? Brings each up, runs its checks, takes it down, writes the report.')
      .argument('[check...]', 'ids or globs, such as back-to-source/*; all when left out'),
  );
  addLiveOptions(command)
    .addOption(
      jobsOption(
        'clusters that run side by side; a topology has several when no other is left to begin',
        HEALTHY_JOBS,
      ),
    )
    .addOption(seedOption())
    .addOption(proxyOption())
    .option('--list', 'show the checks and run nothing')
    .addOption(runnerOption().default('process'))
    .option('--target <file>', 'a cluster that runs already, described in a YAML file (docs/targets.md)')
    .option(
      '--allow-disruption',
      'with --target: kill, freeze and restart its nodes, kick clients, send floods',
    )
    .option('--allow-remote', 'with --target: a cluster that is not on loopback; only one that is yours')
    .addOption(allowHostsOption('with --target: hosts that it may lead to, beside those of the file'))
    .addHelpText(
      'after',
      `
Exit codes: 0 every verdict is pass; 1 a check failed; 2 wrong use or nothing selected;
3 inconclusive or unsupported, or a topology that was named cannot run here; 4 a cluster did not come up.

Examples:
  liveproof gate
  liveproof gate --topology forward-cluster --topology nginx-rtmp
  liveproof gate 'back-to-source/*' fan-out/spread
  liveproof gate --engine srs --srs ./objs/srs --out out/nightly
  liveproof gate --proxy ./srs-proxy
  liveproof gate --runner compose --topology edge-cluster
  liveproof gate --target staging.yaml --allow-remote
  liveproof gate --dashboard :8090
  liveproof gate --list

A target file, of an edge cluster on this machine, one edge of which may be killed; the rest is in docs/targets.md:
  schema: liveproof/target@1
  name: staging
  topology: edge-cluster
  nodes:
    - { name: origin, host: 127.0.0.1, ports: { rtmp: 1935, http: 8080, api: 1985 } }
    - name: edge-1
      host: 127.0.0.1
      ports: { rtmp: 11935, http: 18080, api: 11985 }
      addresses: [127.0.0.11]   # from which it fetches, as the API of the origin tells it
      controls: { kill: [docker, kill, edge-1], restart: [docker, start, edge-1] }
    - name: edge-2
      host: 127.0.0.1
      ports: { rtmp: 21935, http: 28080, api: 21985 }
      addresses: [127.0.0.12]`,
    )
    .action(gate);
}

async function gate(patterns: string[], options: GateOptions): Promise<void> {
  if (options.list) {
    process.stdout.write(`${listOf(selected(patterns, CHECKS, options.topology))}\n`);
    return;
  }
  const work = {
    line: (finding: Finding, paint: Paint) => `${verdictCell(paint, finding)}  ${lineOf(finding)}`,
    event: (check: string, event: HistoryEvent, { topology }: PlannedRun) => ({
      check,
      topology: topology.name,
      ...event,
    }),
  };
  if (options.target === undefined) {
    refuseTargetOptions(options);
    if (options.runner === 'compose') {
      await runAndReport('gate', options, { ...work, ...(await composeWork(patterns, options)) });
      return;
    }
    refuseSrsWithoutProgram([options.engine], options.srs);
    const checks = selected(patterns, CHECKS, options.topology);
    const { basePort, jobs } = options;
    await runAndReport('gate', options, {
      ...work,
      plan: planGate(planRequest(checks, options)),
      // Clusters side by side cannot have the same ports.
      jobs: basePort === undefined ? jobs : 1,
    });
    return;
  }
  const given = { ...options, target: options.target };
  const target = targetOf(given);
  refuseLabOptions(options);
  const topology = topologyByName(target.topology);
  const checks = selected(patterns, CHECKS, [topology.name]);
  const plan = planGate({
    checks,
    topologies: [topology],
    engine: target.engine ?? usualEngine(topology),
    isRunnable: () => {},
  });
  await runAndReport('gate', options, {
    ...work,
    plan,
    attach: attachTarget(target, given),
    notes: [noteOfTarget(target, given)],
  });
}

/** Containers take the place of processes: the checks of those topologies that docker-compose.yml has. */
async function composeWork(
  patterns: readonly string[],
  options: GateOptions,
): Promise<Pick<Work, 'plan' | 'attach' | 'notes'>> {
  refuseProcessOptions(options);
  const { engine: version, compose, composeVersion } = await findDocker();
  const checks = selected(patterns, CHECKS, options.topology);
  const { topologies } = planRequest(checks, options);
  const runs = topologies.flatMap((topology) =>
    planGate({
      checks,
      topologies: [topology],
      engine: options.engine ?? usualEngine(topology),
      isRunnable(wanted, engine) {
        requireProfile(wanted.name);
        requireImages(wanted, engine);
      },
    }),
  );
  return {
    plan: { runs: runs.flatMap((plan) => plan.runs), leftOut: runs.flatMap((plan) => plan.leftOut) },
    attach: ({ topology, settings, runDir, signal }) =>
      startCompose({
        topology,
        settings,
        runDir,
        signal,
        project: `liveproof-gate-${process.pid}`,
        direct: process.platform === 'linux',
        logs: true,
        ...(options.basePort === undefined ? {} : { basePort: options.basePort }),
      }),
    notes: [`runner compose: Docker ${version}, ${compose.join(' ')} ${composeVersion}`],
  };
}

/** Throws UsageError for a pattern that matches nothing, and where nothing is left for the topologies, if any are named. */
export function selected(
  patterns: readonly string[],
  all: readonly Check[],
  topologies: readonly string[] = [],
): readonly Check[] {
  const { checks, unmatched } = selectChecks(all, patterns);
  if (unmatched.length > 0) {
    const lines = unmatched.map(
      ({ pattern, near }) => `No check matches "${printable(pattern)}". Near: ${near.join(', ')}.`,
    );
    throw new UsageError(lines.join('\n'));
  }
  if (topologies.length === 0) return checks;
  const fitting = checks.filter((check) => check.topologies.some((name) => topologies.includes(name)));
  if (fitting.length === 0) {
    throw new UsageError(`None of the selected checks is for ${topologies.join(' or ')}.`);
  }
  return fitting;
}

function lineOf(finding: Finding): string {
  const head = `${finding.check}  ${(finding.durationMs / 1000).toFixed(1)} s`;
  return finding.verdict === 'pass' ? head : `${head}${detailOf(finding)}`;
}

function listOf(checks: readonly Check[]): string {
  return table(
    ['check', 'level', 'topologies', 'what it proves'],
    checks.map(({ id, level, topologies, title }) => [id, level, topologies.join(', '), title]),
    { paint: painter(process.stdout) },
  );
}
