/** `liveproof truth`: are the figures true? What is injected is held against what is reported. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import { type Command, Option } from 'commander';
import { collectEnvironment } from '../reports/environment.ts';
import { worstVerdict } from '../reports/results.ts';
import {
  measure,
  TRUTH_PARTS,
  TRUTH_PROTOCOLS,
  type TruthPart,
  type TruthProtocol,
  type TruthRow,
} from '../scenarios/truth/rows.ts';
import { runTruth, type TruthRequest } from '../scenarios/truth/run.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type ExitCode, exitCodeOf, painter, paintVerdict, table } from './output.ts';

interface TruthOptions {
  readonly protocol: readonly TruthProtocol[];
  readonly only: readonly TruthPart[];
  readonly json?: string;
  readonly markdown?: boolean;
}

export function register(program: Command): void {
  program
    .command('truth')
    .description(
      'Are the figures true? Injects delay, loss, cuts and wrong frames, and looks at what is reported.',
    )
    .addOption(
      new Option('--protocol <name...>', 'these protocols').choices([...TRUTH_PROTOCOLS]).default([], 'all'),
    )
    .addOption(new Option('--only <part...>', 'these parts').choices([...TRUTH_PARTS]).default([], 'all'))
    .option('--json <file>', 'write every row there, too')
    .option('--markdown', 'print the table of docs/measuring.md')
    .addHelpText(
      'after',
      `
One builtin origin, publishers and players of ours, and a tap before every player.

Parts:
  latency  delays of 0, 50, 200 and 1000 ms
  loss     0, 1 and 5 % of the datagrams, for SRT and WHEP; TCP loses nothing
  cuts     0.5, 2 and 10 s without anything
  frames   frames that the publisher leaves out, sends twice, or swaps
  pause    a publisher that pauses
  starved  a generator that gets no processor: nothing may be blamed on the server

A row is judged only when our own event loop was in time, and how late a starved generator was only where Linux tells
(schedstat) that others did not keep it waiting besides; otherwise it is inconclusive.

Exit codes: 0 every figure is true; 1 one is not; 2 wrong use; 3 inconclusive; 4 the origin did not come up.

Examples:
  liveproof truth
  liveproof truth --only latency --protocol rtmp srt
  liveproof truth --json truth.json --markdown`,
    )
    .action(async (options: TruthOptions) => {
      process.exitCode = await truth(options);
    });
}

export async function truth(
  { protocol, only, json, markdown }: TruthOptions,
  run: (request: TruthRequest) => Promise<readonly TruthRow[]> = runTruth,
  { stdout, stderr }: { readonly stdout: Writable; readonly stderr: Writable } = process,
): Promise<ExitCode> {
  const interruption = listenForInterrupt();
  const startedAt = new Date().toISOString();
  try {
    const rows = await run({
      ...(protocol.length > 0 && { protocols: protocol }),
      ...(only.length > 0 && { parts: only }),
      signal: interruption.signal,
      onPart: (part) => stderr.write(`${part} …\n`),
    });
    const interrupted = interruption.signal.aborted;
    const verdicts = rows.map(({ verdict }) => verdict);
    const verdict = worstVerdict(interrupted || rows.length === 0 ? [...verdicts, 'inconclusive'] : verdicts);
    stdout.write(markdown ? markdownOf(rows) : tableOf(rows, stdout));
    const count = (of: TruthRow['verdict']): number => verdicts.filter((one) => one === of).length;
    stdout.write(
      `${paintVerdict(painter(stdout), verdict)}  ${count('pass')} of ${rows.length} figures are true, ` +
        `${count('fail')} are not, ${count('inconclusive')} inconclusive${interrupted ? ' (interrupted)' : ''}\n`,
    );
    if (json !== undefined) {
      const environment = collectEnvironment({});
      mkdirSync(dirname(json), { recursive: true });
      writeFileSync(json, `${JSON.stringify({ startedAt, verdict, environment, rows }, null, 2)}\n`);
    }
    return exitCodeOf(verdict);
  } finally {
    interruption.release();
  }
}

function tableOf(rows: readonly TruthRow[], stdout: Writable): string {
  const paint = painter(stdout);
  const head = ['protocol', 'injected', 'figure', 'expected', 'reported', 'within', 'verdict'];
  const lines = rows.map((row) => [
    row.protocol,
    row.injected,
    row.figure,
    Number.isFinite(row.expected) ? measure(row.expected, row.unit) : 'unknown',
    row.reported === null ? 'nothing' : measure(row.reported, row.unit),
    within(row),
    `${paintVerdict(paint, row.verdict)}${row.because && `  ${row.because}`}`,
  ]);
  return `${table(head, lines, { right: [3, 4, 5], paint })}\n`;
}

function within({ tolerance, unit }: TruthRow): string {
  return tolerance === 0 ? 'exact' : measure(tolerance, unit);
}

/** One line for each figure, with what it was off by at most in each protocol, whatever was injected. */
function markdownOf(rows: readonly TruthRow[]): string {
  const lines = new Map<string, TruthRow[]>();
  for (const row of rows) {
    const key = `${row.part} ${row.figure}`;
    lines.set(key, [...(lines.get(key) ?? []), row]);
  }
  const protocols = TRUTH_PROTOCOLS.filter((name) => rows.some(({ protocol }) => protocol === name));
  const head = ['part', 'figure', ...protocols, 'within'];
  const cells = [...lines.values()].map((line) => [
    line[0]!.part,
    line[0]!.figure,
    ...protocols.map((name) => worstOf(line.filter(({ protocol }) => protocol === name))),
    boundsOf(line),
  ]);
  return [head, head.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |\n`).join('');
}

/** Of a count, also how much there was to count: exact of nothing proves little. */
function worstOf(rows: readonly TruthRow[]): string {
  if (rows.length === 0) return '';
  const off = rows.map(({ reported, expected }) => (reported === null ? Number.NaN : reported - expected));
  const worst = off.reduce((most, one) => (Math.abs(one) <= Math.abs(most) ? most : one));
  const { unit } = rows[0]!;
  const counted = rows.reduce((sum, { expected }) => sum + expected, 0);
  const text = unit === '' ? `${measure(worst, unit)} of ${counted}` : measure(worst, unit);
  const verdict = worstVerdict(rows.map((row) => row.verdict));
  return verdict === 'pass' ? text : `${text} (${verdict})`;
}

function boundsOf(rows: readonly TruthRow[]): string {
  const bounds = new Map<string, Set<string>>();
  for (const row of rows) {
    const bound = within(row);
    bounds.set(bound, (bounds.get(bound) ?? new Set()).add(row.protocol));
  }
  const [usual, ...others] = [...bounds].sort(([, a], [, b]) => b.size - a.size);
  const exceptions = others.map(([bound, protocols]) => `${[...protocols].join(', ')} ${bound}`);
  return [usual?.[0], ...exceptions].join('; ');
}
