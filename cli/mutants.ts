/** `liveproof mutants`: proves that every check can fail. */
import type { Command } from 'commander';
import { MUTANTS, type MutantId } from '../lab/builtin/mutants.ts';
import { plural } from '../reports/format.ts';
import { type Finding, worstVerdict } from '../reports/results.ts';
import { type Bystander, killersOf } from '../reports/results-mutants.ts';
import type { Check } from '../scenarios/check.ts';
import { CHECKS } from '../scenarios/conformance/index.ts';
import { mutantsOf, type PlannedRun, partOf, planMutants } from '../scenarios/plan.ts';
import { selected } from './gate.ts';
import { addClusterOptions, type ClusterOptions, planRequest, seedOption } from './gate-options.ts';
import { detailOf, runAndReport, verdictCell } from './gate-run.ts';
import { jobsOption, MUTANT_JOBS } from './jobs.ts';
import { addLiveOptions, type LiveArguments } from './live.ts';
import { type Paint, painter, paintVerdict, printable, table, UsageError } from './output.ts';

export function register(program: Command): void {
  const command = addClusterOptions(
    program
      .command('mutants')
      .description('Prove that every check can fail: each must turn red for each of its mutants.')
      .argument('[check...]', 'ids or globs, such as back-to-source/*; all when left out'),
  );
  addLiveOptions(command)
    .addOption(
      jobsOption('clusters that run side by side: the healthy ones, then those with a mutant', MUTANT_JOBS),
    )
    .addOption(seedOption())
    .option(
      '--all-checks',
      'all other checks of its cluster at every mutant, too: what else catches it; no part of the verdict',
    )
    .option(
      '--shard <I/N>',
      'the I-th of N parts, I from 0 to N-1, of a cluster each at the least; liveproof merge makes one run of them (default: all)',
    )
    .option('--no-healthy', 'leave the healthy clusters out: the gate has just shown them')
    .addHelpText(
      'after',
      `
A mutant is a node with a known defect: a builtin node, or a configuration of HAProxy, Nginx or nginx-rtmp. Every check
must pass on the healthy clusters of its topologies, and fail for each mutant that it lists on one of them.

Exit codes: 0 all mutants are killed; 1 one survives, or a check fails on the healthy cluster; 2 wrong use;
3 a check is inconclusive or unsupported on the healthy cluster, or Ctrl-C; 4 a cluster did not come up.

Examples:
  liveproof mutants
  liveproof mutants back-to-source/released
  liveproof mutants --no-healthy --jobs 1 --dashboard :8090
  liveproof mutants --all-checks --shard 0/7 --out out/monday`,
    )
    .action(mutants);
}

const SHOWN_KILLERS = 4;

interface MutantsOptions extends ClusterOptions, LiveArguments {
  readonly jobs: number;
  readonly healthy: boolean;
  readonly allChecks?: boolean;
  readonly shard?: string;
}

async function mutants(patterns: string[], options: MutantsOptions): Promise<void> {
  refuseSrs(options);
  const checks = selected(patterns, CHECKS, options.topology);
  const part = options.shard === undefined ? { index: 0, of: 1 } : parsePart(options.shard);
  const { runs, leftOut } = planMutants({
    ...planRequest(checks, options),
    ...(options.allChecks ? { bystanders: CHECKS } : {}),
  });
  const wanted = options.healthy ? runs : runs.filter(({ mutant }) => mutant !== undefined);
  refuseEmptyParts(part.of, wanted.length);
  const { findings, bystanders } = await runAndReport('mutants', options, {
    plan: partOf({ runs: wanted, leftOut }, part),
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
  const paint = painter(process.stdout);
  process.stdout.write(`\n${matrixOf(checks, findings, paint)}\n`);
  if (bystanders !== undefined) process.stdout.write(`\n${killersTable(bystanders, findings, paint)}\n`);
}

/** Throws UsageError. */
export function refuseSrs({ engine, srs }: Pick<ClusterOptions, 'engine' | 'srs'>): void {
  // SRS_BIN may be set for other commands.
  const isMeant = srs !== undefined && srs !== process.env.SRS_BIN;
  if (engine !== 'srs' && !isMeant) return;
  const what = engine === 'srs' ? '--engine srs' : '--srs';
  throw new UsageError(`Mutants are defects of builtin nodes and of configurations: not ${what}.`);
}

/** Throws UsageError. */
export function parsePart(text: string): { index: number; of: number } {
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(text.trim());
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || of < 1 || index >= of)
    throw new UsageError(`--shard is I/N, I from 0 to N-1; got "${printable(text)}".`);
  return { index, of };
}

/** Throws UsageError: of a part without a cluster nothing would be said. Where none can run at all, the run says why. */
function refuseEmptyParts(parts: number, clusters: number): void {
  if (clusters === 0 || parts <= clusters) return;
  throw new UsageError(
    `--shard: ${parts} parts, but only ${plural(clusters, 'cluster')}. Make it ${plural(clusters, 'part')} at the most.`,
  );
}

/** One row per mutant: what is aimed at it, and who else turned red. */
export function killersTable(
  bystanders: readonly Bystander[],
  findings: readonly Finding[],
  paint: Paint,
): string {
  const mutants = [...new Set(bystanders.map(({ mutant }) => mutant))];
  const rows = mutants.map((mutant) => {
    const { killed, alive, untold, caught, others } = killersOf(mutant, findings, bystanders);
    const aimed = `${killed.length} of ${killed.length + alive.length}${untold.length > 0 ? `, ${untold.length} ?` : ''}`;
    const colour = alive.length > 0 ? 'red' : untold.length > 0 ? 'yellow' : 'green';
    return [
      mutant,
      paint(colour, aimed),
      String(caught.length),
      String(others),
      caught.slice(0, SHOWN_KILLERS).join(', ') + (caught.length > SHOWN_KILLERS ? ', …' : ''),
    ];
  });
  return table(['mutant', 'aimed, killed', 'caught by others', 'not by', 'others'], rows, { paint });
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
  const summary = `x killed, ALIVE survived, · not listed, ? not run to its end; ${killed} of ${tried} killed`;
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
  if (finding === undefined || finding.verdict === 'inconclusive') return paint('yellow', '?');
  return finding.verdict === 'pass' ? paint('green', 'x') : paint('red', 'ALIVE');
}
