import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FLOORS = ['cli', 'scenarios', 'lab', 'drivers', 'reports', 'runtime', 'protocols', 'test'];

/** Names of node:child_process that hand a string to a shell, whichever way they are imported. */
const SHELLS: readonly RegExp[] = [
  /import\s*{[^}]*\b(exec|execSync)\b[^}]*}\s*from\s*'(node:)?child_process'/,
  /import\s+(\*\s+as\s+)?\w+\s+from\s*'(node:)?child_process'/,
  /(require|import)\(\s*'(node:)?child_process'\s*\)/,
  /\bshell:(?!\s*false\b)/,
  /['"`](\/bin\/)?(ba|da|z)?sh['"`]\s*,\s*\[\s*['"`]-\w*c/,
];
/** What a container or a workflow runs is a line for a shell there; this is what tests and these patterns themselves say. */
const EXCEPT = ['test/harness/no-shell.test.ts'];

function breaches(text: string): string[] {
  return SHELLS.flatMap((pattern) => pattern.exec(text)?.[0] ?? []);
}

test('the patterns find what they are for, and nothing else', () => {
  for (const text of [
    "import { exec } from 'node:child_process';",
    "import { spawn, execSync as run } from 'child_process';",
    "import * as children from 'node:child_process';",
    "const { exec } = await import('node:child_process');",
    'spawn(line, { shell: true })',
    "spawn('prog', [], { shell: '/bin/bash' })",
    "spawn('sh', ['-c', line])",
    "execFile('/bin/bash', ['-lc', line])",
  ]) {
    assert.equal(breaches(text).length, 1, text);
  }
  for (const text of [
    "import { execFile, execFileSync, spawn } from 'node:child_process';",
    'const match = /x/.exec(text);',
    'spawn(program, args, { shell: false })',
  ]) {
    assert.deepEqual(breaches(text), [], text);
  }
});

test('no file hands a string to a shell', () => {
  const files = FLOORS.flatMap((floor) =>
    readdirSync(join(ROOT, floor), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(floor, name)),
  );
  assert.ok(files.length > 300, `${files.length} files`);
  const found = files
    .filter((file) => !EXCEPT.includes(file))
    .flatMap((file) => breaches(readFileSync(join(ROOT, file), 'utf8')).map((what) => `${file}: ${what}`));
  assert.deepEqual(found, []);
});
