/**
 * Tests that need no process of their own, one folder after the other in one process: to start one for each file takes
 * longer than most of them run.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @param folder below `test/`, with `/` at its end. */
export async function importTests(folder: string): Promise<void> {
  const url = new URL(`../${folder}`, import.meta.url);
  const names = readdirSync(fileURLToPath(url), { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((file) => file.endsWith('.test.ts')).sort()) {
    await import(new URL(name, url).href);
  }
}
