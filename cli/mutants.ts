/** `liveproof mutants`: proves that every check can fail. */
import type { Command } from 'commander';
import { MUTANTS, type MutantId } from '../lab/builtin/mutants.ts';
import type { Finding } from '../reports/results.ts';
import type { Check } from '../scenarios/check.ts';
import { CHECKS } from '../scenarios/conformance/index.ts';
import { mutantsOf, runMutants } from '../scenarios/mutants.ts';
import {
  addClusterOptions,
  type ClusterOptions,
  detailOf,
  runAndReport,
  selected,
  verdictCell,
} from './gate.ts';
import { type Paint, painter, paintVerdict, table, UsageError } from './output.ts';

export function register(program: Command): void {
  addClusterOptions(
    program
      .command('mutants')
      .description('Prove that every check can fail: each must turn red for each of its mutants.')
      .argument('[check...]', 'ids or globs, such as back-to-source/*; all when left out'),
  )
    .addHelpText(
      'after',
      `
A mutant is a builtin node with a known defect. Every check must pass on the healthy cluster and fail for each mutant
that it lists.

Exit codes: 0 all mutants are killed; 1 one survives, or a check fails on the healthy cluster; 2 wrong use;
4 a cluster did not come up.

Examples:
  liveproof mutants
  liveproof mutants back-to-source/released`,
    )
    .action(mutants);
}

async function mutants(patterns: string[], options: ClusterOptions): Promise<void> {
  if (options.engine !== 'builtin')
    throw new UsageError('Mutants are defects of builtin nodes: --engine builtin.');
  const checks = selected(patterns, CHECKS, options.topology);
  const findings: Finding[] = [];
  await runAndReport('mutants', options, async (run) =>
    runMutants({
      checks,
      cluster: run.cluster,
      signal: run.signal,
      onCluster: (mutant) =>
        process.stdout.write(
          mutant === undefined ? 'healthy cluster\n' : `${mutant}: ${MUTANTS[mutant].says}\n`,
        ),
      onFinding(finding) {
        findings.push(finding);
        const detail = finding.verdict === 'pass' ? '' : detailOf(finding);
        const seconds = (finding.durationMs / 1000).toFixed(1);
        run.found(finding, `  ${verdictCell(run.paint, finding)}  ${finding.check}  ${seconds} s${detail}`);
      },
      onEvent: (check, mutant, event) => run.history.append({ check, mutant: mutant ?? null, ...event }),
    }),
  );
  process.stdout.write(`\n${matrixOf(checks, findings, painter(process.stdout))}\n`);
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
  return findings.find((finding) => finding.check === id && finding.mutant === mutant);
}

function healthyCell(finding: Finding | undefined, paint: Paint): string {
  if (finding === undefined) return paint('yellow', '?');
  return paintVerdict(paint, finding.verdict);
}

function mutantCell(finding: Finding | undefined, paint: Paint): string {
  if (finding === undefined) return paint('yellow', '?');
  return finding.verdict === 'pass' ? paint('green', 'x') : paint('red', 'ALIVE');
}
