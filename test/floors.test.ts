import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '..');

/** What each floor may import besides itself. */
const FLOORS: Record<string, readonly string[]> = {
  cli: ['scenarios', 'lab', 'drivers', 'reports', 'runtime', 'protocols'],
  scenarios: ['lab', 'drivers', 'reports', 'runtime', 'protocols'],
  lab: ['runtime', 'protocols'],
  drivers: ['runtime', 'protocols'],
  reports: ['protocols'],
  runtime: [],
  protocols: [],
};

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

function specifiers(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3]);
}

function breaches(): { found: string[]; imports: number } {
  const found: string[] = [];
  let imports = 0;
  for (const [floor, below] of Object.entries(FLOORS)) {
    for (const file of sources(join(root, floor))) {
      const name = relative(root, file);
      for (const specifier of specifiers(file)) {
        imports++;
        if (specifier.startsWith('.')) {
          if (!specifier.endsWith('.ts')) found.push(`${name}: '${specifier}' has no .ts extension`);
          const target = relative(root, resolve(file, '..', specifier)).split('/')[0];
          if (target !== floor && !below.includes(target)) found.push(`${name} imports ${target}`);
        } else if (floor === 'protocols') {
          found.push(`${name} imports ${specifier}: protocols also run in k6 and in a browser`);
        }
      }
    }
  }
  return { found, imports };
}

test('imports only go down the floors, and protocols import nothing from outside', () => {
  const { found, imports } = breaches();
  assert.deepEqual(found, []);
  assert.ok(imports > 50, `only ${imports} imports were seen: is the pattern still right?`);
});
