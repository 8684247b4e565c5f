import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../../..');
const SCRIPTS = join(ROOT, 'scenarios/k6');
/** Modules that are built into k6. `k6/x/…` would make it fetch a program of its own. */
const BUILTIN = /^k6(?:\/(?:execution|http|metrics|options))?$/;
/** What k6's engine has not. */
const MISSING =
  /\b(?:Buffer|process|require|performance|Intl|WebAssembly|URL|structuredClone|setImmediate|TextEncoder)\b/;

/** What is left of a file when types are stripped: `import type` is gone, comments too. */
function code(file: string): string {
  return readFileSync(file, 'utf8')
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/(?:^|\n)\s*(?:import|export) type [^;]*?;/g, '');
}

function specifiers(file: string): string[] {
  const found = code(file).matchAll(
    /(?:^|\n)\s*(?:import|export)\b([^'";]*?)from\s+'([^']+)'|(?:^|\n)import\s+'([^']+)'/g,
  );
  return [...found].flatMap(([, names, from, bare]) => {
    // `import { type A, type B }` keeps its side effect, and so k6 loads the file.
    return from ?? bare ?? names ?? [];
  });
}

/** Every file that k6 loads for a script, and how it came there. */
function loaded(script: string): Map<string, string> {
  const files = new Map([[script, 'k6 run']]);
  for (const [file] of files) {
    for (const specifier of specifiers(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = resolve(dirname(file), specifier);
      if (!files.has(target)) files.set(target, relative(ROOT, file));
    }
  }
  return files;
}

const scripts = readdirSync(SCRIPTS).filter((name) => name.endsWith('.ts'));

test('the scripts import only what k6 can resolve', () => {
  assert.ok(scripts.length >= 4);
  for (const script of scripts) {
    for (const [file, from] of loaded(join(SCRIPTS, script))) {
      assert.ok(existsSync(file), `${from} imports ${file}, which is not there`);
      const name = relative(ROOT, file);
      for (const specifier of specifiers(file)) {
        if (specifier.startsWith('.')) assert.match(specifier, /\.ts$/, `${name}: k6 adds no extension`);
        else assert.match(specifier, BUILTIN, `${name} imports ${specifier}: k6 has no such module`);
      }
    }
  }
});

test('the viewers run the code of protocols, not a copy', () => {
  const files = [...loaded(join(SCRIPTS, 'hls-viewers.ts')).keys()].map((file) => relative(ROOT, file));
  for (const needed of ['protocols/hls/parse.ts', 'protocols/mpegts/reader.ts', 'protocols/h264/stamp.ts']) {
    assert.ok(files.includes(needed), `${needed} is not among ${files.length} files`);
  }
});

test('nothing that k6 loads needs what its engine has not', () => {
  /** Looks before it takes. */
  const careful = 'protocols/h264/checksum-kernel.ts';
  for (const script of scripts) {
    for (const file of loaded(join(SCRIPTS, script)).keys()) {
      const name = relative(ROOT, file);
      if (name === careful) continue;
      const withoutText = code(file).replaceAll(/'[^'\n]*'|`[^`]*`/g, "''");
      assert.doesNotMatch(withoutText, MISSING, name);
      assert.doesNotMatch(code(file), /\bfrom\('[^']*',/, `${name}: TypedArray.from takes no string in k6`);
    }
  }
});
