/** `liveproof compare`: two runs of one kind side by side. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { type Comparison, compareRuns } from '../reports/compare.ts';
import { changeWord, figureWord } from '../reports/format-change.ts';
import { renderComparison, summaryOf } from '../reports/html/compare.ts';
import { maskDeep } from '../reports/secrets.ts';
import { type ExitCode, exitCodeOf, painter, paintVerdict, printable, table, UsageError } from './output.ts';
import { readResults } from './report.ts';

export interface CompareArguments {
  readonly out?: string;
}

export function register(program: Command): void {
  program
    .command('compare')
    .description('Two runs side by side: verdicts that changed, and figures with their change.')
    .argument('<before>', 'the directory of a run')
    .argument('<after>', 'the directory of a later run of the same kind')
    .option('--out <dir>', 'where compare.html goes (default: the directory of the later run)')
    .addHelpText(
      'after',
      `
One run each tells nothing of noise: "liveproof bench --baseline" tells whether a change of a figure is more than that.

Exit codes: 0 no verdict is worse; 1 one is; 2 wrong use; 3 nobody can say: the later run lacks a finding.

Examples:
  liveproof compare out/gate-20261120-190000 out/gate-20261121-190000
  liveproof compare out/load-with-350ms out/load-with-100ms --out out/merged-write`,
    )
    .action(async (before: string, after: string, options: CompareArguments) => {
      process.exitCode = await compare(before, after, options);
    });
}

/** Throws UsageError where a run cannot be read, or is of another kind. */
export async function compare(
  before: string,
  after: string,
  { out = after }: CompareArguments,
  stdout: Writable = process.stdout,
): Promise<ExitCode> {
  const [was, is] = await Promise.all([before, after].map((run) => readResults(join(run, 'results.json'))));
  if (was!.kind !== is!.kind) {
    throw new UsageError(
      `A ${was!.kind} and a ${is!.kind} have nothing in common: name two runs of one kind.`,
    );
  }
  const comparison = maskDeep(compareRuns(was!, is!));
  await mkdir(out, { recursive: true });
  const page = join(out, 'compare.html');
  await writeFile(page, renderComparison(comparison));
  print(comparison, stdout);
  stdout.write(`${page}\n`);
  return exitCodeOf(comparison.verdict);
}

const WORDS = { pass: 'no worse', fail: 'worse', inconclusive: 'cannot tell' } as const;

function print(
  { before, after, findings, same, figures, notes, verdict }: Comparison,
  stdout: Writable,
): void {
  const paint = painter(stdout);
  const word = (of: Comparison['findings'][number]['before']) =>
    of === undefined ? paint('dim', 'not judged') : paintVerdict(paint, of);
  const changed = findings.map(({ check, topology, engine, mutant, ...of }) => [
    printable(check),
    printable([topology, engine, ...(mutant === undefined ? [] : [mutant])].join(', ')),
    word(of.before),
    word(of.after),
  ]);
  const rows = figures.map((figure) => {
    const { name, unit, worse } = figure;
    const change = changeWord(figure);
    const cells = [printable(name), figureWord(figure.before, unit), figureWord(figure.after, unit)];
    return [...cells, worse ? paint('red', change) : change];
  });
  const lines = [
    ...notes.map((note) => `${paint('yellow', 'note')}  ${printable(note)}`),
    ...(changed.length === 0 ? [] : [table(['check', 'cluster', 'before', 'after'], changed, { paint }), '']),
    table(['figure', 'before', 'after', 'change'], rows, { right: [1, 2, 3], paint }),
    '',
    `${paintVerdict(paint, before.verdict)} before, ${paintVerdict(paint, after.verdict)} after: ${paint('bold', WORDS[verdict])} (${summaryOf({ findings, same })})`,
  ];
  stdout.write(`${lines.join('\n')}\n`);
}
