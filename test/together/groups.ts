/**
 * Tests that need no process of their own, all of a group in one: to start one for each file takes longer than most of
 * them run.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Folders below `test/`, by the file beside this one that runs them. */
export const GROUPS = {
  judges: ['scenarios/conformance'],
  protocols: ['protocols'],
  proxies: ['lab/builtin/proxy', 'lab/builtin/stream-manager'],
  render: ['lab/render'],
  reports: ['reports'],
  scenarios: ['benchmark', 'browser', 'k6', 'merge', 'wire'].map((folder) => `scenarios/${folder}`),
} as const;

const TESTS = new URL('../', import.meta.url);

/** All test files below a folder of `test/`, relative to `test/`, in order. */
export function testsOf(folder: string): string[] {
  const names = readdirSync(fileURLToPath(new URL(folder, TESTS)), { recursive: true, encoding: 'utf8' });
  const tests = names.filter((name) => name.endsWith('.test.ts')).sort();
  return folder === '.' ? tests : tests.map((name) => `${folder}/${name}`);
}

/** One file after the other. */
export async function importGroup(group: keyof typeof GROUPS): Promise<void> {
  for (const folder of GROUPS[group]) {
    for (const name of testsOf(folder)) await import(new URL(name, TESTS).href);
  }
}
