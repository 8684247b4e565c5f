/** Leaves a run in its directory, for machines, for CI and for people. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderReport } from './html/page.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { type HistoryFile, Results } from './results.ts';
import { maskDeep } from './secrets.ts';

/**
 * Writes `results.json`, `junit.xml`, `report.html` and `summary.md`; makes the directory when it is not there. A file is
 * there whole or not at all. Secrets in URLs are masked. Throws when the results break their own schema: a wrong file is never written.
 * `history` is what `HistoryWriter.close()` returned.
 */
export async function writeRun(
  directory: string,
  results: Results,
  options: { readonly history?: HistoryFile } = {},
): Promise<void> {
  const valid = maskDeep(Results.parse(options.history ? { ...results, history: options.history } : results));
  await mkdir(directory, { recursive: true });
  await writeWhole(join(directory, 'results.json'), `${JSON.stringify(valid, null, 2)}\n`);
  await writeWhole(join(directory, 'junit.xml'), renderJunit(valid));
  await writeWhole(join(directory, 'summary.md'), renderMarkdown(valid));
  await writeWhole(join(directory, 'report.html'), renderReport(valid));
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.part`, text);
  await rename(`${path}.part`, path);
}
