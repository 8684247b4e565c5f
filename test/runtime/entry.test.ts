import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { entryOf, startArgs } from '../../runtime/entry.ts';
import { ENTRY_POINTS, ROOT } from '../../runtime/entry-points.ts';

/** A project of its own, whose entry points are one line each. */
class Project {
  readonly #folder = mkdtempSync(join(tmpdir(), 'liveproof-entry-'));

  constructor(t: TestContext) {
    t.after(() => rmSync(this.#folder, { recursive: true, force: true }));
    cpSync(join(ROOT, 'runtime'), join(this.#folder, 'runtime'), { recursive: true });
    this.write('package.json', '{ "type": "module" }');
    this.write('tsconfig.json', '{}');
    this.write('node_modules/.package-lock.json', '{}');
    for (const name of ['tsx', 'esbuild']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(this.#folder, 'node_modules', name));
    }
    for (const entryPoint of ENTRY_POINTS) this.write(entryPoint, `console.log('${entryPoint}');\n`);
    this.write(
      'ask.ts',
      `import { startArgs } from './runtime/entry.ts';
       console.log(JSON.stringify(startArgs('lab/builtin/main.ts')));\n`,
    );
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** What a process of this project would give Node to start `lab/builtin/main.ts`. */
  startArgs(): string[] {
    const asked = spawnSync(process.execPath, ['--import', 'tsx', 'ask.ts'], {
      cwd: this.#folder,
      encoding: 'utf8',
    });
    assert.equal(asked.status, 0, asked.stderr);
    return JSON.parse(asked.stdout) as string[];
  }
}

function run(args: readonly string[]): { stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { encoding: 'utf8' });
}

test('every entry point is there, and here it runs from a bundle', () => {
  for (const entryPoint of ENTRY_POINTS) {
    assert.ok(existsSync(join(ROOT, entryPoint)), entryPoint);
    const { file, nodeArgs } = entryOf(entryPoint);
    assert.match(file, /\/node_modules\/\.cache\/liveproof\/.*\.mjs$/);
    assert.ok(existsSync(file), file);
    assert.deepEqual(startArgs(entryPoint), [...nodeArgs, file]);
  }
});

test('what is bundled runs until a source changes, whichever it is', (t) => {
  const project = new Project(t);
  project.write('lab/builtin/main.ts', `import { word } from './word.ts';\nconsole.log(word);\n`);
  project.write('lab/builtin/word.ts', `export const word: string = 'first';\n`);
  const first = project.startArgs();
  assert.equal(run(first).stdout, 'first\n');
  assert.deepEqual(project.startArgs(), first, 'nothing has changed');

  project.write('lab/builtin/word.ts', `export const word: string = 'other';\n`);
  utimesSync(project.path('lab/builtin/word.ts'), 1, 1);
  const second = project.startArgs();
  assert.notDeepEqual(second, first);
  assert.equal(run(second).stdout, 'other\n');
  assert.equal(run(first).stdout, 'first\n', 'whoever looked before still finds what it has seen');

  project.write('node_modules/.package-lock.json', '{ "packages": {} }');
  assert.notDeepEqual(project.startArgs(), second, 'the packages have changed');

  project.write('runtime/bundle.ts', `${readFileSync(join(ROOT, 'runtime/bundle.ts'), 'utf8')}\n`);
  assert.notDeepEqual(project.startArgs(), second, 'it would be bundled in another way');
});

test('a layer of an image, which keeps whole seconds of a time, changes nothing', (t) => {
  const project = new Project(t);
  const source = project.path('lab/builtin/main.ts');
  utimesSync(source, 1000.5, 1000.5);
  const args = project.startArgs();
  utimesSync(source, 1000, 1000);
  assert.deepEqual(project.startArgs(), args);
  utimesSync(source, 1000.25, 1000.25);
  assert.notDeepEqual(project.startArgs(), args);
});

test('a bundle is taken away a day after another has replaced it, not sooner', (t) => {
  const project = new Project(t);
  const source = project.path('lab/builtin/main.ts');
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
  const bundle = (nth: number): string => {
    utimesSync(source, nth, nth);
    const folder = resolve(dirname(project.startArgs().at(-1)!), '../..');
    utimesSync(folder, twoDaysAgo, twoDaysAgo);
    return folder;
  };
  const first = bundle(1);
  const second = bundle(2);
  assert.ok(existsSync(first), 'it was in use until now');
  utimesSync(first, twoDaysAgo, twoDaysAgo);
  const third = bundle(3);
  assert.deepEqual([first, second, third].map(existsSync), [false, true, true]);
});

test('the command that users type runs from the bundle', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'cli/start.ts', 'gate', '--no-such-option'],
    { cwd: ROOT, encoding: 'utf8' },
  );
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(stderr, /unknown option '--no-such-option'/);
});

test('a process that outlives its bundle looks again', (t) => {
  const project = new Project(t);
  project.write(
    'ask.ts',
    `import { rmSync } from 'node:fs';
     import { startArgs } from './runtime/entry.ts';
     startArgs('lab/builtin/main.ts');
     rmSync('node_modules/.cache', { recursive: true });
     console.log(JSON.stringify(startArgs('lab/builtin/main.ts')));\n`,
  );
  assert.equal(run(project.startArgs()).stdout, 'lab/builtin/main.ts\n');
});

test('a source finds what lies beside it, and errors name its lines', (t) => {
  const project = new Project(t);
  project.write(
    'lab/builtin/main.ts',
    `console.log(import.meta.url, import.meta.filename, import.meta.dirname);
interface Unused {}
throw new Error('on purpose');\n`,
  );
  const source = project.path('lab/builtin/main.ts');
  const { stdout, stderr } = run(project.startArgs());
  assert.equal(stdout, `file://${source} ${source} ${dirname(source)}\n`);
  assert.match(stderr, new RegExp(`${source}:3`));
});

test('where no bundle can be written, the source runs', (t) => {
  const project = new Project(t);
  project.write('node_modules/.cache', 'a file');
  const args = project.startArgs();
  assert.equal(args.at(-1), project.path('lab/builtin/main.ts'));
  assert.equal(run(args).stdout, 'lab/builtin/main.ts\n');
});
