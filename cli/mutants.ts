/** `liveproof mutants`: proves that every check can fail. */
import type { Command } from 'commander';
import { MUTANTS, type MutantId } from '../lab/builtin/mutants.ts';
import { type Finding, worstVerdict } from '../reports/results.ts';
import type { Check } from '../scenarios/check.ts';
import { CHECKS } from '../scenarios/conformance/index.ts';
import { mutantsOf, type PlannedRun, planMutants } from '../scenarios/plan.ts';
import {
  addClusterOptions,
  type ClusterOptions,
  detailOf,
  planRequest,
  runAndReport,
  selected,
  verdictCell,
} from './gate.ts';
import { jobsOption } from './jobs.ts';
import { addLiveOptions, type LiveArguments } from './live.ts';
import { type Paint, painter, paintVerdict, table, UsageError } from './output.ts';

export function register(program: Command): void {
  const command = addClusterOptions(
    program
      .command('mutants')
      .description('Prove that every check can fail: each must turn red for each of its mutants.')
      .argument('[check...]', 'ids or globs, such as back-to-source/*; all when left out'),
  );
  addLiveOptions(command)
    .addOption(jobsOption('clusters that run side by side: the healthy ones, then those with a mutant'))
    .option('--no-healthy', 'leave the healthy clusters out: the gate has just shown them')
    .addHelpText(
      'after',
      `
A mutant is a node with a known defect: a builtin node, or a configuration of HAProxy, Nginx or nginx-rtmp. Every check
must pass on the healthy clusters of its topologies, and fail for each mutant that it lists on one of them.

Exit codes: 0 all mutants are killed; 1 one survives, or a check fails on the healthy cluster; 2 wrong use;
4 a cluster did not come up.

Examples:
  liveproof mutants
  liveproof mutants back-to-source/released
  liveproof mutants --no-healthy --jobs 1 --dashboard :8090`,
    )
    .action(mutants);
}

interface MutantsOptions extends ClusterOptions, LiveArguments {
  readonly jobs: number;
  readonly healthy: boolean;
}

async function mutants(patterns: string[], options: MutantsOptions): Promise<void> {
  if (options.engine === 'srs')
    throw new UsageError('Mutants are defects of builtin nodes and of configurations: not --engine srs.');
  const checks = selected(patterns, CHECKS, options.topology);
  const { runs, leftOut } = planMutants(planRequest(checks, options));
  const wanted = options.healthy ? runs : runs.filter(({ mutant }) => mutant !== undefined);
  const { findings } = await runAndReport('mutants', options, {
    plan: { runs: wanted, leftOut },
    // Clusters side by side cannot have the same ports.
    jobs: options.basePort === undefined ? options.jobs : 1,
    heading,
    line(finding, paint) {
      const detail = finding.verdict === 'pass' ? '' : detailOf(finding);
      const seconds = (finding.durationMs / 1000).toFixed(1);
      return `  ${verdictCell(paint, finding)}  ${finding.check}  ${seconds} s${detail}`;
    },
    event: (check, event, { topology, mutant }) => ({
      check,
      topology: topology.name,
      mutant: mutant ?? null,
      ...event,
    }),
  });
  process.stdout.write(`\n${matrixOf(checks, findings, painter(process.stdout))}\n`);
}

function heading({ topology, mutant }: PlannedRun): string {
  if (mutant === undefined) return `${topology.name}: healthy cluster`;
  return `${topology.name}, ${mutant}: ${MUTANTS[mutant].says}`;
}

/** For each area one row per check and one column per mutant that they list; columns are numbered, with a legend. */
export function matrixOf(checks: readonly Check[], findings: readonly Finding[], paint: Paint): string {
  const areas = [...new Set(checks.map(areaOf))];
  const tables = areas.map((area) =>
    areaMatrix(
      checks.filter((check) => areaOf(check) === area),
      findings,
      paint,
    ),
  );
  const killed = findings.filter(({ mutant, verdict }) => mutant !== undefined && verdict === 'pass').length;
  const tried = findings.filter(({ mutant }) => mutant !== undefined).length;
  const summary = `x killed, ALIVE survived, · not listed, ? not run; ${killed} of ${tried} killed`;
  return [...tables, summary].join('\n\n');
}

function areaOf({ id }: Check): string {
  return id.slice(0, id.indexOf('/'));
}

function areaMatrix(checks: readonly Check[], findings: readonly Finding[], paint: Paint): string {
  const mutants = mutantsOf(checks);
  const head = ['check', 'healthy', ...mutants.map((_, i) => String(i + 1))];
  const rows = checks.map((check) => [
    check.id,
    healthyCell(findingFor(findings, check, undefined), paint),
    ...mutants.map((mutant) =>
      check.mutants.includes(mutant)
        ? mutantCell(findingFor(findings, check, mutant), paint)
        : paint('dim', '·'),
    ),
  ]);
  const legend = mutants.map((mutant, i) => [String(i + 1), mutant, MUTANTS[mutant].says]);
  return [table(head, rows, { paint }), table(['', 'mutant', 'defect'], legend, { paint })].join('\n\n');
}

function findingFor(
  findings: readonly Finding[],
  { id }: Check,
  mutant: MutantId | undefined,
): Finding | undefined {
  const found = findings.filter((finding) => finding.check === id && finding.mutant === mutant);
  const worst = worstVerdict(found.map(({ verdict }) => verdict));
  return found.find(({ verdict }) => verdict === worst);
}

function healthyCell(finding: Finding | undefined, paint: Paint): string {
  if (finding === undefined) return paint('yellow', '?');
  return paintVerdict(paint, finding.verdict);
}

function mutantCell(finding: Finding | undefined, paint: Paint): string {
  if (finding === undefined) return paint('yellow', '?');
  return finding.verdict === 'pass' ? paint('green', 'x') : paint('red', 'ALIVE');
}
