/** Leaves a run in its directory, for machines, for CI and for people. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderReport } from './html/page.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { type HistoryFile, Results, type Verdict } from './results.ts';
import { maskDeep } from './secrets.ts';

/** The disk refused: what was measured has its verdict, and no report. */
export class ReportError extends Error {
  override readonly name = 'ReportError';

  constructor(directory: string, verdict: Verdict, cause: Error) {
    super(
      `the report could not be written to ${directory}: ${cause.message}. Nothing of it is there; the verdict was ${verdict}.`,
      { cause },
    );
  }
}

/**
 * Writes `results.json`, `junit.xml`, `report.html` and `summary.md`; makes the directory when it is not there. They are
 * there whole and all together, or not at all: those of a run before stay then. Secrets in URLs are masked. Throws when the
 * results break their own schema (a wrong file is never written), and ReportError when the disk refuses.
 * `history` is what `HistoryWriter.close()` returned.
 */
export async function writeRun(
  directory: string,
  results: Results,
  options: { readonly history?: HistoryFile } = {},
): Promise<void> {
  const valid = maskDeep(Results.parse(options.history ? { ...results, history: options.history } : results));
  const files = Object.entries({
    'results.json': `${JSON.stringify(valid, null, 2)}\n`,
    'junit.xml': renderJunit(valid),
    'summary.md': renderMarkdown(valid),
    'report.html': renderReport(valid),
  }).map(([name, text]) => ({ path: join(directory, name), part: join(directory, `${name}.part`), text }));
  try {
    await mkdir(directory, { recursive: true });
    for (const { part, text } of files) await writeFile(part, text);
    for (const { part, path } of files) await rename(part, path);
  } catch (error) {
    await Promise.allSettled(files.map(({ part }) => rm(part, { force: true })));
    throw new ReportError(directory, valid.verdict, error as Error);
  }
}
