import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { optionsOf } from '../../../scenarios/benchmark/options.ts';

const MODULE = fileURLToPath(new URL('../../../scenarios/benchmark/options.ts', import.meta.url));

test('options that are known are given, with their defaults', () => {
  const values = optionsOf({ 'test-only': { type: 'string', default: '3' } }, 'the usage');
  assert.equal(values['test-only'], '3');
});

test('one that is not is wrong use: exit code 2 and the usage, no stack', () => {
  const script = `import(${JSON.stringify(MODULE)}).then(({ optionsOf }) => optionsOf({ known: { type: 'string' } }, 'the usage'))`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--eval', script, '--', '--nope'],
    { encoding: 'utf8' },
  );
  assert.equal(status, 2);
  assert.equal(stderr, "Unknown option '--nope'\n\nthe usage\n");
});
