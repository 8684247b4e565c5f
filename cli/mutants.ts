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
import { type Paint, painter, table, UsageError } from './output.ts';

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

/** One row per check, one column per mutant; columns are numbered, with a legend. */
export function matrixOf(checks: readonly Check[], findings: readonly Finding[], paint: Paint): string {
  const columns: (MutantId | undefined)[] = [undefined, ...mutantsOf(checks)];
  const cell = (check: Check, mutant: MutantId | undefined): string => {
    if (mutant !== undefined && !check.mutants.includes(mutant)) return paint('dim', '·');
    const finding = findings.find((found) => found.check === check.id && found.mutant === mutant);
    if (finding === undefined) return paint('yellow', '?');
    if (mutant === undefined)
      return finding.verdict === 'pass' ? paint('green', 'pass') : paint('red', finding.verdict);
    return finding.verdict === 'pass' ? paint('green', 'x') : paint('red', 'ALIVE');
  };
  const head = ['check', ...columns.map((mutant, i) => (mutant === undefined ? 'healthy' : String(i)))];
  const rows = checks.map((check) => [check.id, ...columns.map((mutant) => cell(check, mutant))]);
  const legend = columns.flatMap((mutant, i) =>
    mutant === undefined ? [] : [[String(i), mutant, MUTANTS[mutant].says]],
  );
  const killed = findings.filter(({ mutant, verdict }) => mutant !== undefined && verdict === 'pass').length;
  const tried = findings.filter(({ mutant }) => mutant !== undefined).length;
  return [
    table(head, rows, { paint }),
    '',
    table(['', 'mutant', 'defect'], legend, { paint }),
    '',
    `x killed, ALIVE survived, · not listed, ? not run; ${killed} of ${tried} killed`,
  ].join('\n');
}
