/** What steps leave in the summary of a job on GitHub: their table, and of each the summary of its own report. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepResult } from './steps.ts';

/** Of one step of a job: GitHub refuses a summary that is larger, and shows none of it ("Adding a job summary"). */
const JOB_BYTES = 1024 * 1024;
/** Of one step of ours, so that the table stays near the others. */
const PART_BYTES = 48 * 1024;
/** What stands around a part, and below what was cut. */
const AROUND_BYTES = 512;

/** `table` and then, folded, the `summary.md` of each step that left one; open where it did not pass. Whole lines, and never too many. */
export async function jobSummary(
  table: string,
  results: readonly StepResult[],
  directory: string,
): Promise<string> {
  const left = (JOB_BYTES - Buffer.byteLength(table)) / Math.max(1, results.length) - AROUND_BYTES;
  const most = Math.min(PART_BYTES, Math.floor(left));
  const parts = await Promise.all(
    results.map(async ({ name, verdict }) => {
      const file = join(name, 'summary.md');
      const text = await textOf(join(directory, file));
      if (text === undefined) return '';
      const { kept, isCut } = cut(text.trimEnd(), most);
      const rest = isCut ? `\n\n_Cut here: the rest is in ${file} of the run._` : '';
      return `\n<details${verdict === 'pass' ? '' : ' open'}><summary>${name}: ${verdict}</summary>\n\n${kept}${rest}\n\n</details>\n`;
    }),
  );
  return `${table}${parts.join('')}`;
}

/** Undefined of a step that leaves no report. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function cut(text: string, most: number): { kept: string; isCut: boolean } {
  if (Buffer.byteLength(text) <= most) return { kept: text, isCut: false };
  const lines: string[] = [];
  let bytes = 0;
  for (const line of text.split('\n')) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > most) break;
    lines.push(line);
  }
  return { kept: lines.join('\n'), isCut: true };
}
