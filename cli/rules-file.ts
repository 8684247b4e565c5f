/** YAML files that say how to judge a run: what may be unsupported, what is known. */
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { printable, UsageError } from './output.ts';

/** Throws UsageError for a file that is not there, or that the schema refuses. `what` names it: `a file of rules`. */
export function readRulesFile<T>(file: string, schema: z.ZodType<T>, what: string): T {
  if (!existsSync(file)) throw new UsageError(`There is no ${what.replace(/^an? /, '')} ${printable(file)}.`);
  const wrong = (why: string): UsageError =>
    new UsageError([`${printable(file)} is not ${what}:`, ...why.split('\n').map(printable)].join('\n'));
  let document: unknown;
  try {
    document = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const rules = schema.safeParse(document);
  if (rules.success) return rules.data;
  throw wrong(z.prettifyError(rules.error));
}
