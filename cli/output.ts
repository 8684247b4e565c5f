/** What a command prints and leaves behind: colours, tables, the directory of a run, the exit code. */

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { MAX_TIMER_MS } from '../drivers/timers.ts';
import type { Results, Verdict } from '../reports/results.ts';
import { maskSecrets } from '../reports/secrets.ts';

export const ExitCode = {
  pass: 0,
  fail: 1,
  /** Wrong use, or nothing selected. */
  usage: 2,
  /** Nobody can say: the generator is unhealthy, observers disagree, or the cluster lacks what is asked for. */
  inconclusive: 3,
  labNotUp: 4,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const EXIT_CODE_OF: Readonly<Record<Verdict, ExitCode>> = {
  pass: ExitCode.pass,
  unsupported: ExitCode.inconclusive,
  inconclusive: ExitCode.inconclusive,
  fail: ExitCode.fail,
  error: ExitCode.fail,
};

export function exitCodeOf(verdict: Verdict): ExitCode {
  return EXIT_CODE_OF[verdict];
}

/** Of a whole run: what an interruption kept from being run is not passed. */
export function exitCodeOfRun({ verdict, interrupted }: Pick<Results, 'verdict' | 'interrupted'>): ExitCode {
  return exitCodeOf(interrupted && verdict === 'pass' ? 'inconclusive' : verdict);
}

/** Ends the command with a message for people and without a stack trace. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Wrong use, or nothing selected: exit code 2. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';

  constructor(message: string) {
    super(message, ExitCode.usage);
  }
}

/** SGR parameters: on, off (ECMA-48 8.3.117). */
const SGR_OF = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;
export type Colour = keyof typeof SGR_OF;
export type Paint = (colour: Colour, text: string) => string;

/** Whether a stream shows colours: a terminal, or FORCE_COLOR; never with NO_COLOR (no-color.org) or TERM=dumb. */
export function hasColour(stream: Writable, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0';
  return isTerminal(stream) && env.TERM !== 'dumb';
}

export function isTerminal(stream: Writable): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}

export function painter(stream: Writable, env: NodeJS.ProcessEnv = process.env): Paint {
  if (!hasColour(stream, env)) return (_, text) => text;
  return (colour, text) => {
    const [on, off] = SGR_OF[colour];
    return `\u001b[${on}m${text}\u001b[${off}m`;
  };
}

const COLOUR_OF: Readonly<Record<Verdict, Colour>> = {
  pass: 'green',
  unsupported: 'cyan',
  inconclusive: 'yellow',
  fail: 'red',
  error: 'magenta',
};

export function paintVerdict(paint: Paint, verdict: Verdict): string {
  return paint(COLOUR_OF[verdict], verdict);
}

/**
 * Makes text that came from a server safe to print: control characters, escape sequences and direction
 * overrides are shown, not obeyed.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
}

/** Of a server, or about one: safe to print, and without what lets people in. */
export function shown(text: string): string {
  return printable(maskSecrets(text));
}

/** The end of every run: what did not pass, the verdict in one line, where the report is. */
export function printFindings(
  results: Results,
  headline: string,
  directory: string | undefined,
  stdout: Writable,
): void {
  const paint = painter(stdout);
  for (const { check, verdict, expected, actual, evidence } of results.findings) {
    if (verdict === 'pass') continue;
    const lines = [
      `${paintVerdict(paint, verdict)}  ${paint('bold', shown(check))}`,
      `  expected  ${shown(expected)}`,
      `  actual    ${shown(actual)}`,
      ...evidence.map(({ label, detail }) => `  ${paint('dim', `${shown(label)}: ${shown(detail)}`)}`),
    ];
    stdout.write(`${lines.join('\n')}\n`);
  }
  const note = results.interrupted ? ' (interrupted)' : '';
  stdout.write(`${paint('bold', paintVerdict(paint, results.verdict))}  ${shown(headline)}${note}\n`);
  if (directory !== undefined) stdout.write(`report: ${join(directory, 'report.html')}\n`);
}

export interface TableOptions {
  /** Columns (by index) that are aligned to the right. */
  readonly right?: readonly number[];
  readonly paint?: Paint;
}

/** Lines of a table with columns as wide as their widest cell; cells may be painted. No trailing newline. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const widths = head.map((title, column) =>
    Math.max(width(title), ...rows.map((row) => width(row[column] ?? ''))),
  );
  const line = (cells: readonly string[]) =>
    widths
      .map((room, column) => {
        const cell = cells[column] ?? '';
        const space = ' '.repeat(room - width(cell));
        return options.right?.includes(column) ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  const top = line(head);
  return [options.paint ? options.paint('bold', top) : top, ...rows.map(line)].join('\n');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins an SGR sequence (ECMA-48 8.3.117)
const SGR = /\u001b\[[0-9;]*m/g;

function width(cell: string): number {
  return [...cell.replace(SGR, '')].length;
}

/**
 * Makes the directory of a run: `out` where it is given, else `out/<kind>-<UTC time>` under the working directory, which
 * gets a number when two runs start in the same second. Returns its absolute path. Throws UsageError when it cannot be made.
 */
export function makeRunDirectory(kind: string, out?: string, startedAt = new Date()): string {
  try {
    return runDirectory(kind, out, startedAt);
  } catch (error) {
    throw new UsageError(`The directory of the run cannot be made: ${printable((error as Error).message)}.`);
  }
}

function runDirectory(kind: string, out: string | undefined, startedAt: Date): string {
  if (out !== undefined) {
    const directory = resolve(out);
    mkdirSync(directory, { recursive: true });
    return directory;
  }
  const stamp = startedAt.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-');
  mkdirSync(resolve('out'), { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const directory = resolve('out', `${kind}-${stamp}${attempt === 1 ? '' : `-${attempt}`}`);
    try {
      mkdirSync(directory);
      return directory;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `500ms`, `30s`, `1.5m`, `2h` to whole milliseconds; `0` needs no unit. Throws UsageError, also above MAX_TIMER_MS. */
export function parseDuration(text: string): number {
  if (text.trim() === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  if (match === null) {
    throw new UsageError(
      `A duration is a number with a unit, such as 500ms, 30s, 2m or 1h; got "${printable(text)}".`,
    );
  }
  const ms = Math.round(Number(match[1]) * UNITS[match[2]!]!);
  if (ms > MAX_TIMER_MS) {
    throw new UsageError(`A duration is at most 24 days, which is 576h; got "${printable(text)}".`);
  }
  return ms;
}

/** A whole number of at least 1. Throws UsageError. */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new UsageError(`A count is a whole number of at least 1; got "${printable(text)}".`);
  }
  return count;
}
