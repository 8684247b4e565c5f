/** Steps of a night that are gates of real servers: what is known of them is no news. */
import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  judgeKnown,
  type KnownJudgement,
  KnownVerdicts,
  type LogOf,
  type Runner,
} from '../reports/judge-known.ts';
import { Results } from '../reports/results.ts';
import { NODES_EVIDENCE } from '../scenarios/evidence.ts';
import { painter, shown } from './output.ts';
import { readRulesFile } from './rules-file.ts';
import type { Step, StepResult } from './steps.ts';

/** In the repository. */
export const KNOWN_FILE = 'fixtures/known-verdicts.yaml';

export interface NightStep extends Step {
  /** A gate whose findings are held against what is known, as of this runner. Its verdict is its exit code's when left out. */
  readonly judged?: Runner;
}

/** Throws UsageError. */
export function readKnown(file: string): KnownVerdicts {
  return readRulesFile(file, KnownVerdicts, 'a list of known verdicts');
}

export interface KnownRequest {
  readonly results: readonly StepResult[];
  readonly steps: readonly NightStep[];
  /** Of the night. */
  readonly directory: string;
  /** When it began, in ms: results that are older are of another run. */
  readonly since: number;
  readonly known: KnownVerdicts;
  readonly say: (line: string) => void;
}

/**
 * Only a gate that came to its end and wrote its results is judged anew; one that was ended by time or had no cluster stays
 * what it is. Writes `known.json` beside its report. `markdown` is for the summary of the night.
 */
export async function judgedByList({
  results,
  steps,
  directory,
  since,
  known: list,
  say,
}: KnownRequest): Promise<{ results: StepResult[]; markdown: string }> {
  const judged: StepResult[] = [];
  const sections: string[] = [];
  for (const result of results) {
    const runner = steps.find(({ name }) => name === result.name)?.judged;
    const isOver = ['pass', 'fail', 'inconclusive'].includes(result.verdict);
    const folder = join(directory, result.name);
    const found = runner !== undefined && isOver ? await resultsIn(folder) : undefined;
    if (runner === undefined || found === undefined || Date.parse(found.startedAt) < since) {
      judged.push(result);
      continue;
    }
    const judgement = judgeKnown(found, runner, list, logIn(folder));
    await writeFile(join(folder, 'known.json'), `${JSON.stringify(judgement, null, 2)}\n`);
    sayKnown(result.name, judgement, say);
    sections.push(markdownOf(result.name, judgement));
    const { verdict, news, known, passed } = judgement;
    const counts = `${news.length} new, ${known.length} known, ${passed.length} listed and passed`;
    judged.push({ ...result, verdict, why: `${result.why}: ${counts}` });
  }
  return { results: judged, markdown: sections.join('') };
}

async function resultsIn(folder: string): Promise<Results | undefined> {
  const file = join(folder, 'results.json');
  return existsSync(file) ? Results.parse(JSON.parse(await readFile(file, 'utf8'))) : undefined;
}

/** Out of the evidence of the run whose directory this is. */
export function logIn(folder: string): LogOf {
  return ({ evidence }) => {
    const file = evidence.find(({ label }) => label === NODES_EVIDENCE)?.file;
    return file !== undefined && existsSync(join(folder, file))
      ? readFileSync(join(folder, file), 'utf8')
      : '';
  };
}

function sayKnown(name: string, { news, known, passed }: KnownJudgement, say: (line: string) => void): void {
  const paint = painter(process.stdout);
  say(`\n${paint('bold', name)}`);
  for (const line of known) say(`${paint('cyan', 'known')}  ${shown(line)}`);
  for (const line of passed) say(`${paint('yellow', 'listed, and passed')}  ${shown(line)}`);
  for (const line of news) say(`${paint('red', 'new')}  ${shown(line)}`);
}

function markdownOf(name: string, { news, known, passed }: KnownJudgement): string {
  const list = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0
      ? []
      : [`**${title}**`, '', ...lines.map((line) => `- \`${shown(line).replaceAll('`', "'")}\``), ''];
  return [
    '',
    `## ${name}`,
    '',
    ...list('New', news),
    ...list('Listed, and passed: can be removed from the list', passed),
    ...list('Known', known),
  ].join('\n');
}
